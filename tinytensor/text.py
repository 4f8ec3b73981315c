"""Plain text for people: tables, long lists, and what a misspelt name may have meant."""

from collections.abc import Iterable, Sequence

__all__ = ["did_you_mean", "escaped", "listed", "text_table"]


def escaped(text: str, keep: str = "\n") -> str:
    r"""The text with characters that a terminal would obey or hide as Python writes them, but for `keep`.

    >>> escaped("a\x1b[31m\nb\x07\u202e")
    'a\\x1b[31m\nb\\x07\\u202e'
    """
    return "".join(
        each if each in keep or each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def did_you_mean(word: str, known: Iterable[str], form: str = "{}") -> str:
    """The end of an error message: the known name that a misspelt one is most like, if there is one.

    >>> did_you_mean("Relu", ["relu", "ReLU", "SELU"], "tt.{}")
    '; did you mean tt.ReLU?'
    >>> did_you_mean("inspct", ["inspect", "convert"])
    '; did you mean inspect?'
    >>> did_you_mean("banana", ["inspect", "convert"])
    ''
    """
    import difflib

    by_spelling: dict[str, list[str]] = {}
    for name in known:
        by_spelling.setdefault(plainly_spelt(name), []).append(name)
    closest = difflib.get_close_matches(plainly_spelt(word), by_spelling, n=1)
    if not closest:
        return ""
    names = by_spelling[closest[0]]
    same_case = [name for name in names if name[:1].isupper() == word[:1].isupper()]
    return f"; did you mean {form.format((same_case or names)[0])}?"


def plainly_spelt(name: str) -> str:
    """A name in small letters without underscores."""
    return name.lower().replace("_", "")


def listed(lines: Iterable[str], most: int) -> list[str]:
    """The first lines, and how many more there are.

    >>> listed(["a", "b", "c"], 2), listed(["a", "b"], 2)
    (['a', 'b', 'and 1 more'], ['a', 'b'])
    """
    lines = list(lines)
    left = len(lines) - most
    return [*lines[:most], f"and {left} more"] if left > 0 else lines


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
