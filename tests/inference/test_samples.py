"""Whole numbers: float32 unless the signature says that the model takes them; and what outputs will be."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.inference.results import results
from tinytensor.inference.samples import as_tensor, as_told, dtype_of, of_its_own, read_as, whole_inputs
from tinytensor.primitives.definition import Result

PIXELS = np.array([[1, 2]], np.uint8)


class Signed(tt.Layer):
    """A layer of any number of inputs, whose signature says their dtypes."""

    def __init__(self, *dtypes):
        self.signature = tuple((dtype, ()) for dtype in dtypes)

    def forward(self, *xs):
        return xs[0] + 1.0


@pytest.mark.parametrize(
    ("dtypes", "whole", "default"),
    [
        ((), (), np.float32),
        (("float64",), (), np.float32),
        (("int64",), (True,), np.int64),
        (("int64", "float32"), (True, False), np.int64),
        (("float32", "bool"), (False, True), np.float32),
    ],
)
def test_inputs_of_whole_numbers_are_those_of_the_signature(dtypes, whole, default):
    assert whole_inputs(Signed(*dtypes)) == whole
    assert dtype_of(Signed(*dtypes)) == default


def test_arrays_of_whole_numbers_keep_their_dtype_where_the_signature_says_so():
    floats = np.zeros((1, 2))
    told = as_told([PIXELS, PIXELS, floats], (True, False, True))
    assert [type(each) for each in told] == [tt.Tensor, np.ndarray, np.ndarray]
    assert told[0].dtype == np.uint8
    assert as_told([PIXELS], ())[0] is PIXELS
    assert as_told([PIXELS], (True, True))[0] is PIXELS
    assert as_tensor(Signed("uint8"), PIXELS).dtype == np.uint8
    assert as_tensor(Signed(), PIXELS).dtype == np.float32


def test_a_copy_of_the_samples_is_what_a_forward_sees():
    assert read_as(Signed(), PIXELS, tensor=True).dtype == np.uint8
    seen = read_as(Signed(), PIXELS, tensor=False)
    assert seen.dtype == np.float32
    assert not np.may_share_memory(read_as(Signed(), PIXELS, tensor=True), PIXELS)


def test_outputs_are_copied_where_they_are_samples_or_read_only():
    own, x = np.zeros(3), np.zeros(3)
    assert of_its_own(own, [x]) is own
    assert of_its_own(x[:2], [own, x]).base is None
    tensor = tt.Tensor(x)
    assert not np.may_share_memory(of_its_own(tensor._array, [tensor]), tensor._array)
    own.flags.writeable = False
    assert of_its_own(own, [x]).flags.writeable


def halves(x):
    return x[:, :2], x.astype(np.float64)


class Pair(tt.Layer):
    """Two outputs; `traceable` says whether its forward reads values, which no trace can."""

    def __init__(self, traceable):
        self.traceable = traceable

    def forward(self, x):
        if not self.traceable:
            np.asarray(x).sum()
        return halves(x)


@pytest.mark.parametrize("traceable", [True, False])
def test_results_have_the_shape_of_a_sample_of_each_output(traceable):
    assert results(Pair(traceable), [((3,), np.float32)]) == [
        Result((2,), np.dtype(np.float32)),
        Result((3,), np.dtype(np.float64)),
    ]


def test_results_of_one_output():
    assert results(tt.Linear(3, 2), [((3,), np.float32)]) == [Result((2,), np.dtype(np.float32))]
    assert results(tt.Lambda(lambda x: np.flip(x.numpy(), 1)), [((3,), np.float64)]) == [
        Result((3,), np.dtype(np.float64))
    ]
    with pytest.raises(tt.ShapeError):
        results(tt.Linear(3, 2), [((4,), np.float32)])
