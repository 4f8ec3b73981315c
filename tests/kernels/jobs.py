"""Kernels for the tests of workers: f(table, x, x_stride, y, y_stride, first, last, scratch)."""

from tinytensor.kernels.address import integers_at
from tinytensor.kernels.atomic import fetch_add, give_way, load, store


def add_places(table, x, x_stride, y, y_stride, first, last, scratch):
    """y[i] += i, by way of the scratch memory."""
    out, memory = integers_at(y), integers_at(scratch)
    memory[0] = 0
    for i in range(first, last):
        memory[0] = memory[0] + i
        out[i] += i
    memory[0] = 0


def meet(table, x, x_stride, y, y_stride, first, last, scratch):
    """Every range waits until `table` ranges have begun, each on a thread of its own; y counts them."""
    out = integers_at(y)
    fetch_add(out, 0, 1)
    while load(out, 0) < table:
        give_way()


def raise_at(table, x, x_stride, y, y_stride, first, last, scratch):
    """Raises for the place `table`."""
    for i in range(first, last):
        if i == table:
            raise ValueError("a place")
        integers_at(y)[i] += 1


def hold(table, x, x_stride, y, y_stride, first, last, scratch):
    """Say that it has begun, and wait until it may end."""
    out = integers_at(y)
    store(out, 0, 1)
    while load(out, 1) == 0:
        give_way()


def meet_with_scratch(table, x, x_stride, y, y_stride, first, last, scratch):
    """As `meet`; each range writes down where its scratch memory is."""
    out = integers_at(y)
    out[1 + first] = scratch
    fetch_add(out, 0, 1)
    while load(out, 0) < table:
        give_way()


def note_order(table, x, x_stride, y, y_stride, first, last, scratch):
    """y[0] counts the ranges; after it stand their first places in the order in which they begin."""
    out = integers_at(y)
    out[1 + fetch_add(out, 0, 1)] = first
