"""Where `tinytensor predict` writes: npy, CSV, Parquet or JSON lines, all through one interface.

A writer is a context manager that gives a function `(inputs, rows, outputs)`, called once for each batch.
"""

import contextlib
import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinytensor.errors import ArgumentError, require
from tinytensor.text import escaped

__all__ = ["WRITERS", "as_json_lines", "as_text", "records"]

Write = Callable[[str, Sequence[str], Any], None]

SUM_ERROR = 1e-4  # float32 sums of a thousand probabilities differ from 1 by less


def records(path: str, rows: Sequence[str], outputs: Any) -> Iterator[dict[str, Any]]:
    """One a sample: its input, its row or file, its class, and the probability of that class.

    Outputs that are no probabilities are called scores; one number a sample is called output.

    >>> next(records("x.npy", ["0"], np.array([[0.25, 0.75]], np.float32)))
    {'input': 'x.npy', 'row': '0', 'class': 1, 'probability': 0.75}
    """
    if outputs.ndim != 2 or outputs.shape[1] == 0:
        raise ArgumentError(f"{path}: expected outputs (n, classes), got {outputs.shape}; write them as .npy")
    if outputs.shape[1] == 1:
        for row, value in zip(rows, outputs[:, 0], strict=True):
            yield {"input": path, "row": row, "output": float(value)}
        return
    sums = outputs.sum(axis=1, dtype=np.float64)
    probable = bool((outputs >= 0).all() and (np.abs(sums - 1) <= SUM_ERROR).all())
    classes = outputs.argmax(axis=1)
    best = outputs[np.arange(len(outputs)), classes]
    for row, class_, value in zip(rows, classes, best, strict=True):
        name = "probability" if probable else "score"
        yield {"input": path, "row": row, "class": int(class_), name: float(f"{value:.6g}")}


@contextlib.contextmanager
def npy(file: Path) -> Iterator[Write]:
    """The outputs as they are; the header, which has room for it, gets the count at the end."""
    seen: list[Any] = []  # the shape and dtype of a row
    count = 0
    with open(file, "w+b") as stream:

        def header(length: int) -> None:
            shape, dtype = seen[0]
            stream.seek(0)
            description = np.lib.format.dtype_to_descr(dtype)
            np.lib.format.write_array_header_1_0(
                stream, {"shape": (length, *shape), "fortran_order": False, "descr": description}
            )

        def write(path: str, rows: Sequence[str], outputs: Any) -> None:
            nonlocal count
            if not seen:
                seen.append((outputs.shape[1:], outputs.dtype))
                header(0)
            if seen[0] != (outputs.shape[1:], outputs.dtype):
                raise ArgumentError(
                    f"{path}: expected outputs of shape {seen[0][0]}, got {outputs.shape[1:]}"
                )
            stream.write(np.ascontiguousarray(outputs).data)
            count += len(outputs)

        yield write
        if seen:
            header(count)
        else:
            np.lib.format.write_array(stream, np.empty((0,), np.float32))


@contextlib.contextmanager
def comma_separated(file: Path) -> Iterator[Write]:
    """A line for each sample, with a header."""
    with open(file, "w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        writer: list[csv.DictWriter[str]] = []

        def write(path: str, rows: Sequence[str], outputs: Any) -> None:
            for record in records(path, rows, outputs):
                if not writer:
                    writer.append(csv.DictWriter(stream, list(record)))
                    writer[0].writeheader()
                writer[0].writerow(same_columns(record, writer[0].fieldnames))

        yield write


def same_columns(record: dict[str, Any], names: Any) -> dict[str, Any]:
    """The record, if it has those columns; scores of one batch may look like probabilities."""
    return dict(zip(names, record.values(), strict=True))


@contextlib.contextmanager
def json_lines(file: Path) -> Iterator[Write]:
    """A JSON object a line for each sample."""
    with open(file, "w", encoding="ascii") as stream, as_json_lines(stream) as write:
        yield write


@contextlib.contextmanager
def as_json_lines(stream: Any = None) -> Iterator[Write]:
    """JSON lines on an open stream, or on standard output."""

    def write(path: str, rows: Sequence[str], outputs: Any) -> None:
        for record in records(path, rows, outputs):
            print(json.dumps(record), file=stream or sys.stdout)

    yield write


@contextlib.contextmanager
def as_text() -> Iterator[Write]:
    """A line for a person on standard output."""

    def write(path: str, rows: Sequence[str], outputs: Any) -> None:
        for record in records(path, rows, outputs):
            where = "  ".join(filter(None, (record["input"], record["row"])))
            found = (
                f"{record['class']}  {list(record.values())[-1]:.4f}"
                if "class" in record
                else record["output"]
            )
            print(f"{escaped(where, keep='')}  {found}")

    yield write


@contextlib.contextmanager
def parquet(file: Path) -> Iterator[Write]:
    """A row group for each batch (extra `parquet`)."""
    arrow, library = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    with contextlib.ExitStack() as stack:
        writer: list[Any] = []

        def write(path: str, rows: Sequence[str], outputs: Any) -> None:
            found = list(records(path, rows, outputs))
            if not found:
                return
            if writer:
                names = writer[0].schema.names
                found = [same_columns(record, names) for record in found]
            table = arrow.Table.from_pylist(found)
            if not writer:
                writer.append(stack.enter_context(library.ParquetWriter(file, table.schema)))
            writer[0].write_table(table)

        yield write
        if not writer:
            library.write_table(arrow.table({"input": arrow.array([], arrow.string())}), file)


WRITERS = {".npy": npy, ".csv": comma_separated, ".parquet": parquet, ".jsonl": json_lines}
