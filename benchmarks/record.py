"""A run as a file: everything that was measured, and all that it depends on."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.case import Result
from tinytensor.errors import ArgumentError

__all__ = ["FORMAT", "SCHEMA", "Run", "load", "resumed", "save"]

FORMAT = 1
FILE = "results.json"
SAME = ("command", "quick", "commit", "digits", "peers")  # of a run that goes on
SCHEMA = Path(__file__).with_name("schema.json")


@dataclass
class Run:
    """One run of one or more suites."""

    started: str
    command: list[str]
    quick: bool
    tinytensor: str
    commit: str
    digits: str
    machine: dict[str, Any]
    packages: dict[str, str]
    peers: dict[str, str]  # name: version
    left_out: dict[str, str]  # name: why
    roofline: dict[str, dict[str, float]]  # by number of threads
    seconds: float = 0.0
    format: int = FORMAT
    results: list[Result] = field(default_factory=list)

    def suites(self) -> list[str]:
        """The names of what was run."""
        return list(dict.fromkeys(result.suite for result in self.results))


def save(run: Run, folder: Path) -> Path:
    """Write FOLDER/results.json, the old file or the new one whatever happens meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    path, new = folder / FILE, folder / f"{FILE}.new"
    new.write_text(json.dumps(rounded(asdict(run)), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    new.replace(path)
    return path


def resumed(run: Run, folder: Path) -> Run:
    """The run that FOLDER holds, if it is this one, begun before and not finished; otherwise this one.

    Raises:
        ArgumentError: the folder holds another run.
    """
    if not (folder / FILE).exists():
        return run
    old = load(folder)
    for name in SAME:
        before, now = getattr(old, name), getattr(run, name)
        if before != now:
            held = f"it holds a run whose {name} is {before!r}, this one's is {now!r}"
            raise ArgumentError(f"--out {folder}: {held}: name another folder")
    return old


def rounded(value: Any) -> Any:
    """Floats to six digits: nothing is measured better, and files stay readable."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


def load(folder: Path) -> Run:
    """Read a folder, or the file itself.

    Raises:
        ArgumentError: there is no such file, or it is of something else.
    """
    path = folder / FILE if folder.is_dir() else folder
    if not path.is_file():
        raise ArgumentError(f"{folder}: expected a folder with {FILE}, as `python -m benchmarks mnist` makes")
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        if read["format"] != FORMAT:
            raise ArgumentError(f"{path}: expected format {FORMAT}, got {read['format']!r}")
        results = [Result(**each) for each in read.pop("results")]
        return Run(**read, results=results)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"{path}: is no file of results: {type(error).__name__}: {error}") from None
