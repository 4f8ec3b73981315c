"""Tables on a terminal, and plain lines where the output is piped."""

import sys
from collections.abc import Sequence

from tinytensor.text import escaped

__all__ = ["on_a_terminal", "plain_table", "show_table"]


def on_a_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


def show_table(cells: Sequence[Sequence[str]], texts: int = 1, total: bool = False) -> None:
    """Print a header and rows; columns are texts, then numbers; `total`: the last row sums."""
    if not on_a_terminal():
        print(plain_table(cells, texts))
        return
    from rich import box, console, table, text

    drawn = table.Table(box=box.SIMPLE_HEAD, show_footer=total, pad_edge=False, collapse_padding=True)
    header, *rows = [[text.Text(escaped(cell, keep="")) for cell in row] for row in cells]
    footer = rows.pop() if total else [text.Text("")] * len(header)
    for column, (head, foot) in enumerate(zip(header, footer, strict=True)):
        drawn.add_column(head, foot, justify="left" if column < texts else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    console.Console(markup=False, highlight=False, emoji=False).print(drawn)


def plain_table(cells: Sequence[Sequence[str]], texts: int = 1) -> str:
    r"""Columns of equal width.

    >>> print(plain_table([("name", "bytes"), ("weight\x1b", "12")]))
    name        bytes
    weight\x1b     12
    """
    shown = [[escaped(cell, keep="") for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in shown
    )
