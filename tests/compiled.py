"""Functions over arrays, compiled by Numba: how the tests reach what a kernel's body calls."""

import numba
from numba import types

import tinytensor.kernels.compile  # noqa: F401 — makes Numba know the scalar functions

__all__ = ["array", "compiled", "out", "strided"]


def array(dtype, ndim):
    """A C-contiguous input."""
    return types.Array(dtype, ndim, "C", readonly=True)


def strided(dtype, ndim):
    """An input of any layout."""
    return types.Array(dtype, ndim, "A", readonly=True)


def out(dtype, ndim):
    """A C-contiguous array that is written."""
    return types.Array(dtype, ndim, "C")


def compiled(function, *signatures):
    """The function, compiled for these signatures with the options of our kernels."""
    return numba.njit(list(signatures), nogil=True, error_model="numpy")(function)
