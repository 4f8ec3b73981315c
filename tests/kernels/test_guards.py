"""Kernels work with pointers, which no bounds check sees: they read and write nothing beside their arrays.

Inputs lie between NaN, which would show in a result; outputs lie between numbers that must not change.
"""

import subprocess
import sys

import numpy as np
import pytest

from tests.strategies import FLOATS, LANES
from tinytensor.kernels import binary, reduce, softmax
from tinytensor.kernels.declare import kernels
from tinytensor.kernels.fold import UNROLL
from tinytensor.kernels.reduce import LONG, PARTS, WIDE

GUARD = 4096
CANARY = 77


def between(array, guard):
    """The array in the middle of a buffer of guards, and that buffer."""
    buffer = np.full(array.size + 2 * GUARD, guard, array.dtype)
    inside = buffer[GUARD : GUARD + array.size].reshape(array.shape)
    inside[...] = array
    return inside, buffer


def guarded(kernel, *inputs, out, last=()):
    """The kernel's output, all of its arrays between guards; `last` are its arguments after that."""
    y, buffer = between(out, CANARY)
    kernel(*(between(x, np.nan)[0] if isinstance(x, np.ndarray) else x for x in inputs), y, *last)
    assert (buffer[:GUARD] == CANARY).all()
    assert (buffer[-GUARD:] == CANARY).all()
    return y


SHAPES = [
    (outer, n, inner)
    for outer in (1, 2, 4, 5, 2 * LANES + 3)
    for n in (1, 3, UNROLL, UNROLL + 1, LONG, LONG + PARTS - 1)
    for inner in (1, 2, LANES + 1)
] + [(1, LONG + 1, WIDE + 1), (2, 3, WIDE + 1)]


def folded(kernels, x, y):
    """A fold of x into y, as `reduce.fold` calls it, the scratch memory between guards, too."""
    outer, n, inner = x.shape
    room = 2 * min(inner, WIDE) * (PARTS if n >= LONG else 1)
    scratch, buffer = between(np.zeros(room), CANARY)
    kernel = kernels[x.dtype, y.dtype]
    found = guarded(kernel, x, out=y, last=(scratch, outer, n, inner))
    assert (buffer[:GUARD] == CANARY).all()
    assert (buffer[-GUARD:] == CANARY).all()
    return found


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["sum_", "prod", "min_", "max_", "any_", "all_"])
def test_folds(name, dtype):
    short = "f32" if dtype == np.float32 else "f64"
    scratch = "f64" if name in ("sum_", "prod") else short
    kernel = kernels[f"fold.{name}", f"void({short}*, {short}*, {scratch}*, i64, i64, i64)"]
    for outer, n, inner in SHAPES:
        x, y = np.ones((outer, n, inner), dtype), np.empty((outer, inner), dtype)
        y = folded({(x.dtype, y.dtype): kernel}, x, y)
        assert (y == (n if name == "sum_" else 1)).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_squares_and_what_follows_a_fold(dtype):
    dtype = np.dtype(dtype)
    for outer, n, inner in SHAPES:
        x = np.full((outer, n, inner), 3, dtype)
        y = folded(reduce.squares_kernels, x, np.ones((outer, inner)))  # the centres are 1
        assert (y == 4 * n).all()
        found = guarded(reduce.finish[dtype], y, n, 1, out=np.empty((outer, inner), dtype), last=(y.size,))
        assert (found == 2).all()
        x[:, -1] = 5
        values, places = np.full((outer, inner), 5, dtype), np.empty((outer, inner), np.int64)
        found = guarded(reduce.find[dtype], x, values, out=places, last=x.shape)
        assert (found == n - 1).all()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("log", [False, True])
def test_softmax(dtype, log):
    dtype = np.dtype(dtype)
    for shape in (*SHAPES, (3, softmax.LONG, 1), (1, 5, 2 * softmax.LANES + 1)):
        scratch, buffer = between(np.zeros(softmax.room(shape[1], dtype), dtype), CANARY)
        x, y = np.ones(shape, dtype), np.empty(shape, dtype)
        y = guarded(softmax.kernels[dtype], x, int(log), out=y, last=(scratch, *shape))
        assert (buffer[:GUARD] == CANARY).all()
        assert (buffer[-GUARD:] == CANARY).all()
        total = (np.exp(y) if log else y).sum(axis=1)
        assert np.abs(total - 1).max() <= shape[1] * np.finfo(dtype).eps * 4


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["add", "maximum", "less", "power"])
def test_binary(name, dtype):
    short = "f32" if dtype == np.float32 else "f64"
    signature = binary.SIGNATURE.format("u8" if name == "less" else "T").replace("T", short)
    kernel = kernels[f"binary_loops.{name}", signature]
    expected = {"add": 2, "maximum": 1, "less": 0, "power": 1}[name]
    for outer, middle, inner in [*SHAPES, (2, 3, binary.SHORT_ROW - 1), (2, 3, binary.SHORT_ROW)]:
        shape = (outer, middle, inner)
        for other in (shape, (1, 1, inner), (outer, 1, 1), (1, middle, 1), (1, middle, inner), (1, 1, 1)):
            y_dtype = np.uint8 if name == "less" else dtype
            for shapes in ((shape, other), (other, shape)):
                scratch, buffer = between(np.zeros(4 * binary.SHORT_ROW, dtype), CANARY)
                operands = (np.ones(each, dtype) for each in shapes)
                last = (scratch, *shape, *shapes[0], *shapes[1])
                y = guarded(kernel, *operands, out=np.empty(shape, y_dtype), last=last)
                assert (y == expected).all()
                assert (buffer[:GUARD] == CANARY).all()
                assert (buffer[-GUARD:] == CANARY).all()


BEFORE_A_WALL = """
import ctypes, mmap
import numpy as np
import tinytensor as tt

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)

def at_the_end(array):  # in memory that ends where no byte may be read
    pages = -(-array.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    whole = np.frombuffer(memory, np.uint8)
    wall = ctypes.c_void_p(whole.ctypes.data + pages * PAGE)
    assert libc.mprotect(wall, ctypes.c_size_t(PAGE), 0) == 0
    first = pages * PAGE - array.nbytes
    found = whole[first : pages * PAGE].view(array.dtype).reshape(array.shape)
    found[...] = array
    return found

for dtype in (np.float32, np.float64):
    for m in (*range(1, 20), 33, 65):
        for k in (1, 3, 16, 17, 40):
            for n in (1, 2, 3, 7, 17):
                a, b = np.ones((m, k), dtype), np.ones((k, n), dtype)
                y = tt.Tensor._wrap(at_the_end(a)) @ tt.Tensor._wrap(at_the_end(b))
                assert (y.numpy() == k).all()
    model = tt.Sequential(tt.Linear(19, 5, seed=0, dtype=dtype), tt.relu, tt.LayerNorm(5), tt.softmax)
    for rows in (1, 2, 5, 12, 13, 100):
        x = np.eye(rows, 19, dtype=dtype)
        assert np.array_equal(model.predict(at_the_end(x)), model.predict(x))
        y = at_the_end(np.zeros((rows, 5), dtype))
        assert np.array_equal(model.predict(x, out=y), model.predict(x))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is protected by Linux's mprotect")
def test_no_byte_is_read_or_written_beyond_the_end_of_an_array():
    done = subprocess.run([sys.executable, "-c", BEFORE_A_WALL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
