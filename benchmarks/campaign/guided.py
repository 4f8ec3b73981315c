"""One loader under a fuzzer guided by coverage: `python -m benchmarks.campaign.guided FORMAT SECONDS DIR`.

Errors that are not ours are kept in DIR as find-*, with what libFuzzer keeps of crashes, and of files that
take more than 10 s or 1 GB. Of an archive one member is the fuzzer's: its checksum would hide the rest.
"""

import hashlib
import os
import sys
import tempfile
import warnings
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

__all__ = ["FORMATS"]

MEMBERS = {  # of which original, and which member
    "npz member": ("npz", "0.weight.npy"), "npz configuration": ("npz", "config.npy"),
    "keras configuration": ("keras", "config.json"), "keras weights": ("keras", ".h5"),
    "torch pickle": ("torch", "data.pkl"),
}  # fmt: skip
WHOLE = (
    "safetensors", "weights", "npz", "pickle", "torch before 1.6", "onnx", "onnx operations", "keras", "h5",
    "idx",
)  # fmt: skip
FORMATS = (*WHOLE, *MEMBERS)
INSTRUMENTED = ["tinytensor.io", "tinytensor.files", "tinytensor.operators", "tinytensor.datasets"]


def members(content: bytes) -> dict[str, bytes]:
    """What an archive holds."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def main(name: str, seconds: str, finds: Path) -> None:
    """Fuzz one loader."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.io import fuzz

        warnings.simplefilter("ignore")
        folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        originals = fuzz.originals(folder)
        original, ending = MEMBERS.get(name, (name, ""))
        loader = fuzz.LOADERS.get(original, fuzz.tt.load)
        assert fuzz.attempt(loader, fuzz.written(folder, originals[original]))  # imports the loader's modules
    inside = members(originals[original]) if ending else {}
    which = next((each for each in inside if each.endswith(ending)), "")
    corpus, loaded = folder / "corpus", [0]
    corpus.mkdir()
    (corpus / "good").write_bytes(inside[which] if ending else originals[original])

    def one(data: bytes) -> None:
        content: Any = fuzz.hostile.archived(inside | {which: data}) if ending else data
        try:
            if fuzz.attempt(loader, fuzz.written(folder, content)):
                loaded[0] += 1
                (finds / "loaded").write_text(str(loaded[0]))  # libFuzzer ends the process at once
        except BaseException as error:
            where = error.__traceback__
            while where and where.tb_next:
                where = where.tb_next
            place = f"{where.tb_frame.f_code.co_filename} {where.tb_lineno}" if where else ""
            line = f"{type(error).__name__} {place}"
            digest = hashlib.sha256(line.encode()).hexdigest()[:8]
            if not (finds / f"find-{digest}").exists():
                (finds / f"find-{digest}").write_bytes(content)
                print(f"{line}: {error}"[:300], flush=True)

    limits = ["-timeout=10", "-rss_limit_mb=1024", "-max_len=16384", "-print_final_stats=1"]
    arguments = [f"-max_total_time={seconds}", *limits, f"-artifact_prefix={finds}{os.sep}", str(corpus)]
    atheris.Setup(["guided", *arguments], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
