"""Primitives that move elements and compute nothing: reshape, transpose, slices, concatenation, ….

Each is a function of NumPy's. Of symbols it is called once with stand-ins, two samples whose elements are
their own positions: what comes out says which element goes where, and whether samples stay apart. So one
rule serves them all, and one instruction computes what is more than another view of the same elements.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.kernels.boundary import FLOATS, UINT8, Array
from tinytensor.primitives.definition import Batch, Node, Primitive, Result, Symbol, first_symbol

__all__ = ["moved", "positions"]

COUNTS = (2, 3)  # samples of a stand-in: a length of 2 that is no number of samples shows with 3
MOST = 1 << 24  # elements of a stand-in


def stand_ins(symbols: tuple[Symbol, ...], samples: int) -> list[Array]:
    """For each symbol an array whose elements are sample · total + position; total counts all operands'."""
    sizes = [int(np.prod(each.sample, dtype=np.int64)) for each in symbols]
    total, first, found = sum(sizes), 0, []
    if total > MOST:
        symbols[0].tracer.refuse(f"samples of {total} elements are moved")
    for each, size in zip(symbols, sizes, strict=True):
        rows = np.arange(samples)[:, None] * total + np.arange(first, first + size)
        found.append(rows.reshape(samples, *each.sample))
        first += size
    return found


def counted(value: Any, batch: int | None, samples: int) -> Any:
    """A parameter with the number of stand-ins for that of samples, which as an integer is a first length."""
    if type(value) is Batch:
        return samples
    if type(value) in (tuple, list):
        whole = [counted(each, batch, samples) for each in value]
        if whole and type(whole[0]) is int and whole[0] == batch:
            whole[0] = samples
        return type(value)(whole)
    return value


def positions(symbols: tuple[Any, ...], function: Callable[..., Array], arguments: Any) -> Array:
    """For each element of a result's sample, which of the operands' elements it is, counted through them all.

    Raises:
        Untraceable: samples do not stay apart.
    """
    tracer = first_symbol(symbols).tracer
    if any(type(each) is not Symbol for each in symbols):
        tracer.refuse("constants are joined with samples")
    tables: list[Array] = []
    for samples in COUNTS:
        inputs = stand_ins(symbols, samples)
        total = sum(each[0].size for each in inputs)
        given = [counted(each, tracer.measured, samples) for each in arguments]
        y = np.asarray(function(*inputs, *given))
        if y.ndim == 0 or y.shape[0] != samples:
            tracer.refuse(f"a result of shape {y.shape} for {samples} samples")
        rows = y.reshape(samples, -1) - np.arange(samples)[:, None] * total
        if not ((rows >= 0).all() and (rows < max(total, 1)).all() and (rows == rows[0]).all()):
            tracer.refuse("samples do not stay apart")
        tables.append(np.asarray(rows[0]).reshape(y.shape[1:]))
    if tables[0].shape != tables[1].shape or not np.array_equal(tables[0], tables[1]):
        tracer.refuse("the number of samples decides what moves")
    return tables[0]


def compute(*operands: Array, function: Callable[..., Array], arguments: Any, places: Array) -> Array:
    """The same of arrays: for a node that runs eagerly, where the number of samples is another."""
    n = len(operands[0])
    flat = [each.reshape(n, -1) for each in operands]
    rows = flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)
    if len(flat) == 1 and np.array_equal(places.ravel(), np.arange(rows.shape[1])):
        return rows.reshape(n, *places.shape)
    return rows[:, places.ravel()].reshape(n, *places.shape)


def result(*operands: Symbol, function: Any, arguments: Any, places: Array) -> Result:
    """The shape of the table of positions."""
    return Result(places.shape, np.result_type(*(each.dtype for each in operands)))


def is_movable(node: Node) -> bool:
    """Whether elements are floats of one dtype, or bytes."""
    dtype = node.result.dtype
    return (
        dtype in (*FLOATS, UINT8)
        and all(each.dtype == dtype for each in node.symbols)
        and 0 not in node.result.sample
    )


move = Primitive("move", compute, result, lambda program, node: program.move(node), is_movable)


def moved(function: Callable[..., Array], operands: tuple[Any, ...], *arguments: Any) -> Any:
    """function(*operands, *arguments) of arrays; of symbols a node that moves elements."""
    symbol = next((each for each in operands if type(each) is Symbol), None)
    if symbol is None:
        return function(*operands, *arguments)
    places = positions(operands, function, arguments)
    return move(*operands, function=function, arguments=arguments, places=places)
