import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt

numbers = st.floats(-1e6, 1e6, width=32)


@given(
    x=st.lists(numbers, max_size=20),
    scale=numbers,
    offset=numbers,
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_a_product_and_a_sum_each_rounded_once(x, scale, offset, dtype):
    x = np.array(x, dtype)
    y = tt.Rescale(scale, offset)(x)
    assert y.dtype == dtype
    with np.errstate(all="ignore"):
        assert np.array_equal(y, x * x.dtype.type(scale) + x.dtype.type(offset))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, bool])
def test_integers_give_float32(dtype):
    x = np.array([[0, 1]], dtype)
    for pixels in (x, tt.Tensor(x, dtype)):
        y = tt.Rescale(0.5, 1)(pixels)
        assert y.dtype == np.float32
        assert y.tolist() == [[1.0, 1.5]]


def test_all_pixel_values_as_the_book_divides_them():
    pixels = np.arange(256, dtype=np.uint8)
    # 1/255 in float32 and the product round once each, the quotient once: at most 1.5 units of 2^-24 apart
    y, quotient = tt.Rescale(1 / 255)(pixels).numpy(), pixels / 255
    assert (np.abs(y - quotient) <= 1.5 * np.finfo(np.float32).eps * quotient).all()


def test_one_number_for_each_feature_is_a_parameter():
    layer = tt.Rescale([1.0, 2.0], [0.5, -0.5])
    assert list(layer.parameters()) == ["scale", "offset"]
    assert layer([[1, 1], [2, 2]]).tolist() == [[1.5, 1.5], [2.5, 3.5]]
    assert list(tt.Rescale(2.0).parameters()) == []


@pytest.mark.parametrize("wrong", ["a", None, 1j, True, object()])
def test_what_is_no_number(wrong):
    with pytest.raises(tt.DtypeError):
        tt.Rescale(wrong)
    with pytest.raises(tt.DtypeError):
        tt.Rescale(1.0, wrong)
