"""Kernels work with pointers, which no bounds check sees: they read and write nothing beside their arrays.

Inputs lie between NaN, which would show in a result; outputs lie between numbers that must not change.
"""

import numpy as np
import pytest

from tests.strategies import FLOATS, LANES
from tinytensor.kernels import binary, fold, softmax
from tinytensor.kernels._jit import kernels
from tinytensor.kernels.fold import LONG, PARTS, UNROLL, WIDE

GUARD = 4096
CANARY = 77


def between(array, guard):
    """The array in the middle of a buffer of guards, and that buffer."""
    buffer = np.full(array.size + 2 * GUARD, guard, array.dtype)
    inside = buffer[GUARD : GUARD + array.size].reshape(array.shape)
    inside[...] = array
    return inside, buffer


def guarded(kernel, *inputs, out):
    """The kernel's output, all of its arrays between guards."""
    y, buffer = between(out, CANARY)
    kernel(*(between(x, np.nan)[0] if isinstance(x, np.ndarray) else x for x in inputs), y)
    assert (buffer[:GUARD] == CANARY).all()
    assert (buffer[-GUARD:] == CANARY).all()
    return y


SHAPES = [
    (outer, n, inner)
    for outer in (1, 2, 4, 5, 2 * LANES + 3)
    for n in (1, 3, UNROLL, UNROLL + 1, LONG, LONG + PARTS - 1)
    for inner in (1, 2, LANES + 1)
] + [(1, LONG + 1, WIDE + 1), (2, 3, WIDE + 1)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["sum", "prod", "min", "max", "any", "all"])
def test_folds(name, dtype):
    kernel = getattr(fold, f"{name}_kernel")
    for outer, n, inner in SHAPES:
        y = guarded(kernel, np.ones((outer, n, inner), dtype), out=np.empty((outer, inner), dtype))
        assert (y == (n if name == "sum" else 1)).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_squares_and_what_follows_a_fold(dtype):
    for outer, n, inner in SHAPES:
        x = np.full((outer, n, inner), 3, dtype)
        y = guarded(fold.squares_kernel, x, out=np.ones((outer, inner)))  # the centres are 1
        assert (y == 4 * n).all()
        assert (guarded(fold.finish, y, n, True, out=np.empty((outer, inner), dtype)) == 2).all()
        x[:, -1] = 5
        found = guarded(
            fold.find, x, np.full((outer, inner), 5, dtype), out=np.empty((outer, inner), np.int64)
        )
        assert (found == n - 1).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("log", [False, True])
def test_softmax(dtype, log):
    for shape in (*SHAPES, (3, softmax.LONG, 1), (1, 5, 2 * softmax.LANES + 1)):
        y = guarded(softmax.run, np.ones(shape, dtype), log, out=np.empty(shape, dtype))
        total = (np.exp(y) if log else y).sum(axis=1)
        assert np.abs(total - 1).max() <= shape[1] * np.finfo(dtype).eps * 4


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["add", "maximum", "less", "power"])
def test_binary(name, dtype):
    expected = {"add": 2, "maximum": 1, "less": 0, "power": 1}[name]
    for outer, middle, inner in [*SHAPES, (2, 3, binary.SHORT_ROW - 1), (2, 3, binary.SHORT_ROW)]:
        shape = (outer, middle, inner)
        for other in (shape, (1, 1, inner), (outer, 1, 1), (1, middle, 1), (1, middle, inner), (1, 1, 1)):
            y_dtype = np.uint8 if name == "less" else dtype
            for shapes in ((shape, other), (other, shape)):
                operands = (np.ones(each, dtype) for each in shapes)
                y = guarded(kernels[f"binary_{name}"], *operands, out=np.empty(shape, y_dtype))
                assert (y == expected).all()
