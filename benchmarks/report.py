"""A run for readers: tables in the terminal, a page in Markdown, charts beside it."""

from pathlib import Path
from typing import Any

from benchmarks import charts, tables
from benchmarks.figures import verdict
from benchmarks.record import Run
from benchmarks.tables import WIN, Table
from tinytensor.errors import require

__all__ = ["facts", "put", "show", "write"]

LEGEND = (
    "In brackets how many times as fast tinytensor is, round against round; ~ where noise hides it. "
    "The fastest of a column stands out."
)


def facts(run: Run) -> list[list[str]]:
    """What the figures depend on, in a few lines."""
    host, quiet = run.machine, verdict(run.results)
    roofs = [
        f"{n} thread(s): {roof['peak_gflops']:.0f} GFLOP/s, copies {roof['copy_gb_per_second']:.0f} GB/s"
        for n, roof in run.roofline.items()
    ]
    return [
        ["verdict", quiet[1]],
        ["tinytensor", f"{run.tinytensor}, commit {run.commit}"],
        ["CPU", f"{host['cpu']}, {host['cores_usable']} of {host['cores']} cores"],
        ["CPU features", " ".join(host["features"])],
        ["measured", "; ".join(roofs)],
        ["system", f"{host['system']}, Python {host['python']}, load {host['load_average'][:1]} before"],
        ["BLAS of each process", kernels(run) or "unknown"],
        ["digits", run.digits],
        ["peers", ", ".join(f"{name} {version}" for name, version in run.peers.items())],
        ["left out", "; ".join(f"{name}: {why}" for name, why in run.left_out.items()) or "nobody"],
        ["run", f"{' '.join(run.command)}, {run.started}, {run.seconds / 60:.1f} minutes"],
    ]  # fmt: skip


def kernels(run: Run) -> str:
    """Whose processes had which library of linear algebra loaded, and the kernel that it chose."""
    found: dict[str, dict[str, None]] = {}
    for result in run.results:
        if result.blas:
            found.setdefault(result.blas, {})[result.peer] = None
    if len(found) == 1:
        return f"all: {next(iter(found))}"
    return "; ".join(f"{', '.join(peers)}: {blas}" for blas, peers in found.items())


def put(table: Table) -> None:
    """Print a table."""
    rich, text = require("rich.console", "bench"), require("rich.text", "bench").Text
    drawn = require("rich.table", "bench").Table(title=text(table.title), title_justify="left")
    for position, name in enumerate(table.head):
        drawn.add_column(text(name), justify="left" if position == 0 else "right", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(text(c.removeprefix(WIN), "bold green" if c.startswith(WIN) else "") for c in row))
    console = rich.Console()
    (console if console.is_terminal else rich.Console(width=160)).print(drawn)


def show(run: Run) -> None:
    """Print it."""
    for suite in run.suites():
        for table in tables.overviews(run, suite):
            put(table)
    print(LEGEND)
    for table in (tables.summary(run), tables.failures(run)):
        if table.rows:
            put(table)
    put(Table("The run", ["what", "is"], facts(run)))


def markdown(table: Table) -> str:
    """A table as Markdown has it."""

    def line(cells: list[str]) -> str:
        bold = (f"**{c.removeprefix(WIN)}**" if c.startswith(WIN) else c for c in cells)
        return "| " + " | ".join(c.replace("|", "\\|") for c in bold) + " |"

    ruler = "|---|" + "---:|" * (len(table.head) - 1)
    return "\n".join([line(table.head), ruler, *map(line, table.rows)])


def page(run: Run, images: dict[str, str]) -> str:
    """The whole run as a page; images by file name with their captions."""
    parts = ["# Measured", markdown(Table("", ["", ""], facts(run))).replace("|---|---:|", "|---|---|")]
    parts += [f"![{caption}]({name})\n\n{caption}" for name, caption in images.items()]
    short = tables.summary(run)
    if short.rows:
        parts += [f"## {short.title}", markdown(short)]
    for suite in run.suites():
        parts += [f"## {suite}", LEGEND]
        for table in tables.overviews(run, suite):
            parts += [f"### {table.title}", markdown(table)]
        for table in tables.details(run, suite):
            parts += [
                f"<details><summary>{table.title}: every figure</summary>\n\n{markdown(table)}\n\n</details>"
            ]
    failed = tables.failures(run)
    if failed.rows:
        parts += ["## Failures", markdown(failed)]
    return "\n\n".join(parts) + "\n"


def write(run: Run, folder: Path) -> list[Any]:
    """FOLDER/report.md and the charts; returns what was written."""
    images = charts.draw(run, folder)
    path = folder / "report.md"
    path.write_text(page(run, images), encoding="utf-8")
    return [path, *(folder / name for name in images)]
