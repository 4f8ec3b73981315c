"""CSV: a row a sample, numbers in columns; a first line with words in it names the columns."""

import csv
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError
from tinytensor.files import opened_file
from tinytensor.samples.arrays import numbered
from tinytensor.samples.options import Batch, Options
from tinytensor.text import did_you_mean, escaped

__all__ = ["chosen", "rows"]

LONGEST = 1 << 24  # characters of a line


def rows(path: str, options: Options, size: int) -> Iterator[Batch]:
    """Batches of float32."""
    delimiter = options.delimiter or ("\t" if path.lower().endswith(".tsv") else ",")
    with opened_file(path) as file:
        lines = filled(path, file)
        first = next(lines, None)
        if first is None:
            return
        names = next(csv.reader([first[1]], delimiter=delimiter))
        header = not all(map(is_number, names))
        if (options.columns or options.drop) and not header:
            raise ArgumentError(f"{path}: --columns and --drop need a first line that names the columns")
        using = chosen(path, names, options) if header else list(range(len(names)))
        lines = lines if header else chain([first], lines)
        start = 0
        while batch := list(islice(lines, size)):
            yield numbered(start, len(batch)), parsed(path, batch, delimiter, using, len(names))
            start += len(batch)


def filled(path: str, file: Any) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, each with its number."""
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        if len(line) == LONGEST:
            raise ArgumentError(f"{path}: line {number}: longer than {LONGEST:,} bytes")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise ArgumentError(f"{path}: line {number}: expected UTF-8") from None
        if text.strip():
            yield number, text


def is_number(text: str) -> bool:
    """Whether a cell is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def chosen(path: str, names: list[str], options: Options) -> list[int]:
    """The places of the columns that are asked for."""
    for name in (*options.columns, *options.drop):
        if name not in names:
            raise ArgumentError(f"{path}: no column {name!r}{did_you_mean(name, names)}")
    wanted = options.columns or [name for name in names if name not in options.drop]
    return [names.index(name) for name in wanted]


def parsed(
    path: str, batch: list[tuple[int, str]], delimiter: str, using: list[int], width: int
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The numbers of some lines; NumPy parses them all at once, and only if that fails we look where."""
    texts = [text for _, text in batch]
    try:
        return np.loadtxt(
            texts, np.float32, comments=None, delimiter=delimiter, usecols=using, ndmin=2, quotechar='"'
        )
    except ValueError as error:
        for number, text in batch:
            cells = next(csv.reader([text], delimiter=delimiter))
            if len(cells) != width:
                raise ArgumentError(
                    f"{path}: line {number}: expected {width} columns, got {len(cells)}"
                ) from None
            for place in using:
                if not is_number(cells[place]):
                    raise ArgumentError(
                        f"{path}: line {number}, column {place + 1}: expected a number, "
                        f"got {escaped(cells[place][:40], keep='')!r}; {advice(cells[place])}"
                    ) from None
        raise ArgumentError(f"{path}: {error}") from error


def advice(cell: str) -> str:
    """What helps where a cell is no number.

    >>> advice("setosa"), advice("5.1;3.5")
    ('--drop leaves columns out', "--delimiter ';' separates columns there")
    """
    for each, quoted in ((";", "';'"), ("|", "'|'"), ("\t", r"$'\t'"), (",", "','")):
        if len(parts := cell.split(each)) > 1 and all(map(is_number, parts)):
            return f"--delimiter {quoted} separates columns there"
    return "--drop leaves columns out"
