"""Plain text: tables, and names that a terminal can show."""

from collections.abc import Sequence

__all__ = ["escaped", "text_table"]


def text_table(cells: Sequence[Sequence[str]], texts: int) -> str:
    """A header, rows and a last line of sums, between rules; the first columns are texts, the others numbers.

    >>> print(text_table([("name", "bytes"), ("weight", "12"), ("total", "12")], texts=1))
    name    bytes
    ─────────────
    weight     12
    ─────────────
    total      12
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if column < texts else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    rule = "─" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def escaped(text: str) -> str:
    r"""The text without control characters but line ends: a terminal shows it and obeys nothing in it.

    >>> escaped("a\x1b[31m\nb\x07\u202e")
    'a\\x1b[31m\nb\\x07\\u202e'
    """
    return "".join(
        each if each == "\n" or each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )
