"""Shapes of tiles that are fastest on this CPU: a few candidates are timed once, and the choice is kept.

A page can be two to six vectors wide, and its tiles then have as many rows as the registers hold: 4 vectors
by 6 rows load least for each FMA, 2 by 12 stream least from L2. Which wins depends on the CPU's load ports
and caches. The widest is the default: its tiles have the fewest rows, and an input is skipped where it is
zero in all of them. In 784-512-512-10, 1,000 digits take 13% longer with 2 by 12 than with 4 by 6, and inputs
without zeros 8%, so another width has to take less than 0.88 of the default's time. Every candidate gives the
same bits, so the choice cannot change an answer.
"""

import time
from functools import cache
from typing import Any

import numpy as np

from tinytensor.kernels import cache as kept_files
from tinytensor.kernels import record
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.declared import linear

__all__ = ["candidates", "page_vectors"]

NARROW = 6  # vectors: a layer up to that wide may have one page
INPUTS, ROWS = 512, 120  # of the layer that is timed; large networks have blocks of 120 rows or more
WIDE = 36  # vectors of it: 1.2 MB of weights, as from L2 or L3
ROUNDS = 16  # each takes 1 ms; a number, not a time, which may pass while another process has the core
CONFIRMATIONS = 3
MARGIN = 0.88  # of the default's time


def candidates(across: int) -> tuple[int, ...]:
    """Widths of a page that are worth trying, for a layer so many vectors wide; the first is the default."""
    many = vectors().registers >= 32
    if across > (NARROW if many else 3):  # of 16 registers, 4 vectors leave 2 rows
        return (4, 3, 2) if many else (3, 2)
    return (across, 3) if across > 4 else (across,)


@cache
def page_vectors(dtype: np.dtype[Any], across: int) -> int:
    """How many vectors wide a page is, for a layer that is `across` vectors wide."""
    widths = candidates(min(across, NARROW + 1))
    if len(widths) == 1:
        return widths[0]
    key = f"tuned {dtype.name} {vectors().name} {widths}"
    found = kept_files.read(key)
    if found is None or int(found) not in widths:
        found = str(confirmed(dtype, widths)).encode()
        kept_files.write(key, found)
    return int(found)


def confirmed(dtype: np.dtype[Any], widths: tuple[int, ...]) -> int:
    """The width that is fastest whenever measured, or the default: other processes disturb measurements."""
    first = fastest(dtype, widths)
    if first != widths[0] and all(fastest(dtype, widths) == first for _ in range(CONFIRMATIONS)):
        return first
    return widths[0]


def fastest(dtype: np.dtype[Any], widths: tuple[int, ...]) -> int:
    """The width whose product takes the least time; candidates take turns, as the machine's speed drifts."""
    across = WIDE if widths == candidates(NARROW + 1) else widths[0]
    calls = {width: timed_layer(dtype, width, across) for width in widths}
    took = dict.fromkeys(widths, np.inf)
    for _ in range(ROUNDS):
        for width, (arguments, _) in calls.items():
            begin = time.perf_counter()
            linear(*arguments)
            took[width] = min(took[width], time.perf_counter() - begin)
    best = min(took, key=took.__getitem__)
    return best if took[best] < MARGIN * took[widths[0]] else widths[0]


def timed_layer(dtype: np.dtype[Any], width: int, across: int) -> tuple[tuple[int, int, int], list[Any]]:
    """What `linear` takes for a layer of so many vectors in pages of that width, and the memory behind it."""
    from tinytensor.kernels.layer import aligned, layout_in_pages, write_layer

    plan = layout_in_pages(dtype, across * vectors().width(dtype.itemsize), width)
    weights = aligned((plan.pages * plan.page_outputs, INPUTS), dtype)
    bias = aligned((plan.outputs,), dtype)
    x, y = aligned((ROWS, INPUTS + 16), dtype), aligned((ROWS, plan.outputs + 16), dtype)
    x[:] = weights[:] = 1  # until it is written, all of it is one page of memory, which L1 holds
    instruction, scratch = aligned((record.INSTRUCTION,), np.int64), aligned((record.WORK_OFFSET,), np.int64)
    instruction[[record.SOURCE, record.TARGET, record.SIZE, record.REPEAT]] = 0, 1, dtype.itemsize, 1
    scratch[record.PRODUCT_OFFSET // 8 + record.PARTS] = 1
    scratch[:4] = x.ctypes.data, x.strides[0], y.ctypes.data, y.strides[0]
    layer = instruction[record.PRODUCT_AT :]
    write_layer(layer, plan, INPUTS, dtype.name, False)
    layer[[record.WEIGHTS, record.BIAS]] = weights.ctypes.data, bias.ctypes.data
    return (instruction.ctypes.data, scratch.ctypes.data, ROWS), [weights, bias, x, y, instruction, scratch]
