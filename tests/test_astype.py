"""`layer.astype`: copies in another dtype."""

import threading

import numpy as np
import pytest

import tinytensor as tt
from tests.custom import Branches, Residual, Scale, squareplus


def network():
    return tt.Sequential(
        tt.Rescale(np.array([1.0, 2.0, 3.0])),
        ("hidden", tt.Linear(3, 3, dtype="float64", seed=0)),
        Residual(tt.Sequential(tt.Linear(3, 3, seed=1), tt.relu)),
        Branches([tt.Linear(3, 2, seed=2), Scale(np.array([1.5, 2.5, 3.5]))]),
        squareplus(b=2.0),
        tt.Lambda(np.tanh),
        tt.softmax,
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", np.float32, float])
def test_every_parameter_is_rounded_to_it_and_nothing_else_changes(dtype):
    model = network()
    before = {name: array.copy() for name, array in model.state_dict().items()}
    other = model.astype(dtype)
    for name, array in other.state_dict().items():
        assert array.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(array, before[name].astype(dtype))
    for name, array in model.state_dict().items():
        assert array.dtype == before[name].dtype
    assert [*other.children()] == [*model.children()]
    assert other(tt.ones((2, 3), dtype=dtype)).dtype == np.dtype(dtype)


def test_the_copy_is_a_copy():
    model = network()
    other = model.astype("float32")
    x = np.ones((2, 3), np.float32)
    before = model.predict(x), other.predict(x)
    other["hidden"].bias = [1.0, 2.0, 3.0]
    other[0] = tt.relu
    assert np.array_equal(model.predict(x), before[0])
    assert not np.array_equal(other.predict(x), before[1])


def test_what_has_the_dtype_is_shared_and_what_is_shared_stays_shared():
    tied = tt.Linear(2, 2)
    model = tt.Sequential(tied, tied)
    assert model.astype("float32")[0].weight.numpy() is tied.weight.numpy()
    other = model.astype("float64")
    assert other[0] is other[1]
    assert other[0] is not tied


def test_a_graph():
    graph = tt.Graph(
        ["x"], ["y"], [tt.Linear(2, 2), tt.Constant(np.array(3)), tt.Operator("Add")],
        [(["x"], ["h"]), ([], ["n"]), (["h", "x"], ["y"])],
    )  # fmt: skip
    other = graph.astype("float64")
    assert other(np.ones((1, 2))).dtype == np.float64
    assert other.layers[1].value.dtype == graph.layers[1].value.dtype  # integers stay


@pytest.mark.parametrize("dtype", ["int32", "float16", bool, None, "x"])
def test_other_dtypes(dtype):
    with pytest.raises(tt.DtypeError, match="expected float32"):
        network().astype(dtype)


class Locked(tt.Layer):
    def __init__(self):
        self.lock = threading.Lock()

    def forward(self, x):
        return x


def test_a_layer_that_cannot_be_copied():
    with pytest.raises(tt.ArgumentError, match=r"Locked: cannot be copied: cannot pickle '_thread.lock'"):
        Locked().astype("float32")


class Narrowed(tt.Layer):
    """A Tensor of another dtype is made in forward."""

    def forward(self, x):
        return tt.Tensor(x, dtype="float32") * 3


def test_a_tensor_made_of_a_tensor_has_the_dtype_that_is_asked_for():
    x = np.random.default_rng(0).standard_normal((5, 4))
    for y in (Narrowed().predict(x), Narrowed()(tt.Tensor(x)).numpy()):
        assert y.dtype == np.float32
        assert np.array_equal(y, x.astype(np.float32) * np.float32(3))
