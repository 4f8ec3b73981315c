import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.custom import Residual, Shift


def model():
    return tt.Sequential(
        tt.Linear(3, 4, seed=0),
        tt.relu,
        ("out", tt.Sequential(tt.Linear(4, 2, seed=1, bias=False), Shift(2))),
    )


def test_names_and_arrays():
    net = model()
    values = net.state_dict()
    assert {name: array.shape for name, array in values.items()} == {
        "0.weight": (4, 3), "0.bias": (4,), "out.0.weight": (2, 4), "out.1.amount": (2,)
    }  # fmt: skip
    assert list(values) == list(net.parameters())
    assert all(type(array) is np.ndarray and not array.flags.writeable for array in values.values())


def test_out_and_in_again():
    one, two = model(), model()
    two.load_state_dict({name: array * 2 for name, array in two.state_dict().items()})
    assert not np.array_equal(one([1, 2, 3]), two([1, 2, 3]))
    assert two.load_state_dict(one.state_dict()) == ([], [])
    assert np.array_equal(one([1, 2, 3]), two([1, 2, 3]))


def test_loaded_values_do_not_follow_the_arrays_they_came_from():
    net, values = model(), {name: array.copy() for name, array in model().state_dict().items()}
    net.load_state_dict(values)
    before = net.state_dict()["0.bias"].copy()
    values["0.bias"][:] = 7
    assert np.array_equal(net.state_dict()["0.bias"], before)


def test_anything_array_like_in_the_parameters_dtype():
    net = tt.Sequential(tt.Linear(2, 1))
    net.load_state_dict({"0.weight": [[1, 2]], "0.bias": np.array([0.1])})
    assert net.parameters()["0.bias"].dtype == np.float32
    assert net([1.0, 1.0]).tolist() == [np.float32(3) + np.float32(0.1)]
    net.load_state_dict({"0.weight": tt.ones((1, 2)), "0.bias": np.array([2], np.float16)})
    assert net([1.0, 1.0]).tolist() == [4.0]


def test_nan_and_infinities_are_values_like_others():
    net = tt.Sequential(tt.Linear(2, 1))
    net.load_state_dict({"0.weight": [[np.nan, np.inf]], "0.bias": [-np.inf]})
    assert np.array_equal(net[0].weight, [[np.nan, np.inf]], equal_nan=True)


def test_everything_that_is_wrong_is_named_at_once_and_nothing_is_changed():
    net = model()
    before = net.state_dict()
    with pytest.raises(tt.ArgumentError) as error:
        net.load_state_dict(
            {
                "0.weight": np.zeros((3, 4)), "0.bias": np.zeros(4), "out.0.weight": np.zeros((2, 4), int),
                "extra": np.zeros(3), "another": "text",
            }
        )  # fmt: skip
    assert str(error.value).splitlines() == [
        "Sequential: the state dict does not fit, nothing was loaded:",
        "  0.weight: expected shape (4, 3), got (3, 4); did you mean its .T?",
        "  missing: out.1.amount (2,)",
        "  out.0.weight: expected float32, got int64",
        "  unexpected: another ()",
        "  unexpected: extra (3,)",
    ]
    assert all(net.state_dict()[name] is before[name] for name in before)


@pytest.mark.parametrize(
    "wrong", ["text", [[1, 2], [3]], np.zeros(4, complex), object(), np.zeros(4, bool), None]
)
def test_what_is_no_array_of_floats(wrong):
    net = model()
    before = net.state_dict()
    with pytest.raises(tt.ArgumentError, match=r"0\.bias: expected "):
        net.load_state_dict({**before, "0.bias": wrong})
    assert all(net.state_dict()[name] is before[name] for name in before)


def test_without_strict_missing_and_unexpected_are_passed_over_and_returned():
    net = model()
    skipped = net.load_state_dict({"0.bias": np.ones(4), "extra": np.ones(1)}, strict=False)
    assert skipped.missing == ["0.weight", "out.0.weight", "out.1.amount"]
    assert skipped.unexpected == ["extra"]
    assert net[0].bias.tolist() == [1.0] * 4
    with pytest.raises(tt.ArgumentError, match=r"0\.bias: expected shape \(4,\), got \(5,\)"):
        net.load_state_dict({"0.bias": np.ones(5)}, strict=False)


@given(
    keep=st.sets(st.sampled_from(["0.weight", "0.bias", "out.0.weight", "out.1.amount"])),
    extra=st.sets(st.text(max_size=5), max_size=3),
    strict=st.booleans(),
)
def test_any_choice_of_names(keep, extra, strict):
    net = model()
    before = net.state_dict()
    values = {name: np.full_like(before[name], 7) for name in keep} | {name: np.zeros(1) for name in extra}
    fits = keep == before.keys() and not extra - before.keys()
    if strict and not fits:
        with pytest.raises(tt.ArgumentError) as error:
            net.load_state_dict(values)
        assert all(f"missing: {name} " in str(error.value) for name in before.keys() - keep)
        assert all(np.array_equal(net.state_dict()[name], before[name]) for name in before)
    else:
        net.load_state_dict(values, strict=strict)
        for name, array in net.state_dict().items():
            assert np.array_equal(array, np.full_like(array, 7) if name in keep else before[name])


def test_parameters_that_are_no_floats_keep_their_dtype():
    class Lookup(tt.Layer):
        def __init__(self):
            self.table = tt.Tensor([3, 1, 2], "int64")

        def forward(self, x):
            return x

    net = tt.Sequential(Residual(Lookup()))
    net.load_state_dict({"0.inner.table": np.array([1, 2, 3])})
    assert net.parameters()["0.inner.table"].dtype == np.int64
    with pytest.raises(tt.ArgumentError, match="expected int64, got float32"):
        net.load_state_dict({"0.inner.table": [1.0, 2.0, 3.0]})


def test_a_state_dict_is_old_or_new_never_a_mixture():
    net = tt.Sequential(*(tt.Linear(2, 2, initializer="zeros") for _ in range(10)))
    versions = [
        {name: np.full(array.shape, float(v)) for name, array in net.state_dict().items()} for v in range(2)
    ]
    net.load_state_dict(versions[0])
    stop, mixtures = threading.Event(), []

    def look():
        while not stop.is_set():
            seen = {float(array.flat[0]) for array in net.state_dict().values()}
            if len(seen) > 1:
                mixtures.append(seen)

    thread = threading.Thread(target=look)
    thread.start()
    for i in range(200):
        net.load_state_dict(versions[i % 2])
    stop.set()
    thread.join()
    assert mixtures == []
