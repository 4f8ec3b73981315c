"""Hypothesis strategies: dtypes, lengths around the edges of tiles, and arrays in every layout.

Numbers come from a seeded generator, as drawing them one by one would take most of the time: normal
numbers without subnormals, so that error bounds that know only relative errors hold.
"""

import itertools

import numpy as np
from hypothesis import strategies as st

from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.layer import TALLEST

FLOATS = (np.float32, np.float64)
LANES = vectors().width(4)
EDGES = sorted(
    {
        0,
        1,
        2,
        3,
        7,
        TALLEST - 1,
        TALLEST,
        TALLEST + 1,
        LANES - 1,
        LANES,
        LANES + 1,
        2 * LANES - 1,
        2 * LANES,
        2 * LANES + 1,
    }
)

float_dtypes = st.sampled_from(FLOATS)
lengths = st.sampled_from(EDGES)
generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)
shapes = st.lists(st.sampled_from((0, 1, 2, 3, 5, 17)), max_size=4).map(tuple)


def in_order(array):
    """C order."""
    return np.array(array, order="C")


def transposed(array):
    """Fortran order: a transposed array in C order."""
    return np.array(array, order="F")


def strided(array):
    """Every second element along the last axis of a wider array, NaN between them."""
    if not array.ndim:
        return array
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def reversed_(array):
    """Negative strides along every axis."""
    if not array.ndim:
        return array
    backwards = (slice(None, None, -1),) * array.ndim
    return array[backwards].copy()[backwards]


def read_only(array):
    """C order, not writable."""
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = (in_order, transposed, strided, reversed_, read_only)
layouts = st.sampled_from(LAYOUTS)


@st.composite
def arrays(draw, shape, dtype=np.float32, scale=1.0):
    """Normal numbers of standard deviation `scale`, not smaller than a thousandth of it, in any layout."""
    numbers = draw(generators).standard_normal(shape) * scale
    numbers = np.copysign(np.maximum(np.abs(numbers), scale / 1000), numbers)
    return draw(layouts)(np.asarray(numbers, dtype))


@st.composite
def float_arrays(draw, scale=1.0):
    """Any float dtype, up to four axes, any layout."""
    return draw(arrays(draw(shapes), draw(float_dtypes), scale))


@st.composite
def products(draw, count=2):
    """`count` matrices that can be multiplied in that order, in one float dtype."""
    dtype = draw(float_dtypes)
    sizes = [draw(lengths) for _ in range(count + 1)]
    return [draw(arrays(shape, dtype)) for shape in itertools.pairwise(sizes)]


@st.composite
def broadcastable(draw, count=2):
    """`count` arrays of one float dtype whose shapes broadcast."""
    dtype, whole = draw(float_dtypes), draw(shapes)
    found = []
    for _ in range(count):
        shape = tuple(draw(st.sampled_from((length, 1))) for length in whole)
        found.append(draw(arrays(shape[draw(st.integers(0, len(shape))) :], dtype)))
    return found


@st.composite
def axes_of(draw, ndim):
    """None, one axis or several, counted from either end."""
    if not ndim:
        return draw(st.sampled_from((None, ())))
    one = st.integers(-ndim, ndim - 1)
    several = st.lists(one, max_size=ndim, unique_by=lambda axis: axis % ndim)
    return draw(st.one_of(st.none(), one, several.map(tuple), several))
