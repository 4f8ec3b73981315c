import pytest

import tinytensor as tt


@pytest.mark.parametrize("p", [0, 0.5, 1])
def test_nothing_is_dropped(p):
    x = tt.normal((3, 4), seed=0)
    assert tt.Dropout(p)(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_no_probability(p):
    with pytest.raises(tt.ArgumentError, match="expected a probability"):
        tt.Dropout(p)


@pytest.mark.parametrize("p", ["a", None, 1j, True])
def test_no_number(p):
    with pytest.raises(tt.DtypeError, match="expected a real number"):
        tt.Dropout(p)
