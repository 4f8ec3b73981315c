import copy
import pickle

import numpy as np
import pytest

import tinytensor as tt
from tests.custom import Branches, Residual, Scale, Shift, squareplus
from tinytensor import contents
from tinytensor.inference import revision
from tinytensor.layers.layer import code


def test_layer_is_abstract():
    with pytest.raises(TypeError, match="forward"):
        tt.Layer()


def test_call_takes_anything_array_like_and_gives_a_tensor():
    class Reversed(tt.Layer):
        def forward(self, x):
            return np.flip(x.numpy(), -1)

    for x in ([1, 2], np.array([1, 2], np.uint8), tt.Tensor([1.0, 2.0])):
        y = Reversed()(x)
        assert type(y) is tt.Tensor
        assert y.tolist() == [2.0, 1.0]


def test_a_result_that_is_no_array_is_an_error():
    class Forgetful(tt.Layer):
        def forward(self, x):
            x * 2

    with pytest.raises(tt.DtypeError, match="forward returned None; did you forget the return"):
        Forgetful()([1.0])


def test_parameters_are_public_tensors_and_those_of_layers_inside():
    layer = Residual(tt.Linear(3, 3))
    layer.gain, layer._hidden, layer.note = tt.ones(3), 3.0, "no parameter"
    assert list(layer.parameters()) == ["gain", "inner.weight", "inner.bias"]
    assert layer.parameters()["inner.bias"] is layer.inner.bias


def test_layers_in_a_list_are_layers_inside():
    layer = Branches([tt.Linear(3, 2), tt.relu, tt.Linear(3, 4, bias=False)])
    assert list(layer.parameters()) == ["branches.0.weight", "branches.0.bias", "branches.2.weight"]
    assert layer(np.zeros((5, 3))).shape == (5, 2 + 3 + 4)


# Freezing


def test_a_parameter_does_not_follow_the_array_it_came_from():
    values = np.array([1.0, 2.0], np.float32)
    layer = Scale(values)
    values[:] = 7
    assert layer.factor.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "view", [lambda a: a[:], lambda a: np.broadcast_to(a, (2, 2)), lambda a: np.frombuffer(a, np.float32)]
)
def test_a_read_only_view_of_a_writable_array_is_copied(view):
    values = np.array([1.0, 2.0], np.float32)
    alias = view(values)
    alias.flags.writeable = False
    layer = Scale(alias)
    values[:] = 7
    assert set(layer.factor.numpy().ravel().tolist()) == {1.0, 2.0}


def test_a_parameter_is_read_only():
    layer = Scale([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        layer.factor.numpy()[0] = 7


def test_only_bytes_are_shared():
    values = np.frombuffer(np.array([1.0, 2.0], np.float32).tobytes(), np.float32)
    assert Scale(values).factor.numpy() is values
    values = values.copy()
    values.flags.writeable = False
    assert not np.shares_memory(Scale(values).factor.numpy(), values)


# Assignment


def test_assignment_replaces_a_parameter_by_anything_of_its_shape():
    layer = Scale([1.0, 2.0])
    layer.factor = np.array([3, 4])
    assert type(layer.factor) is tt.Tensor
    assert layer([1.0, 1.0]).tolist() == [3.0, 4.0]


def test_assignment_keeps_the_shape():
    layer = Scale(np.ones((2, 3)))
    with pytest.raises(
        tt.ShapeError, match=r"Scale\(.*\)\.factor: expected .* \(2, 3\), got \(3, 2\); did you mean its \.T"
    ):
        layer.factor = tt.ones((3, 2))
    assert layer.factor.shape == (2, 3)


def test_every_change_is_counted():
    layer = Scale([1.0])
    seen = revision.count
    layer([2.0])
    assert revision.count == seen
    layer._calls = 1  # a property may read it
    assert revision.count > seen
    seen = revision.count
    layer.factor = [2.0]
    assert revision.count > seen
    seen = revision.count
    del layer.factor
    assert revision.count > seen


def test_a_layer_cannot_contain_itself():
    outer = Residual(Residual(tt.relu))
    with pytest.raises(tt.ArgumentError, match="cannot contain itself"):
        outer.inner.inner = outer
    with pytest.raises(tt.ArgumentError, match="cannot contain itself"):
        outer.inner = outer


# Configuration and code


def test_config_is_the_constructor_arguments_without_tensors():
    assert Scale([1.0]).config() == {}
    assert Shift(3).config() == {"n": 3}
    assert Shift(np.int64(3)).config() == {"n": 3}
    assert type(Shift(np.int64(3)).config()["n"]) is int
    assert Residual(tt.LeakyReLU(0.2)).config() == {
        "inner": {"class": "LeakyReLU", "config": {"negative_slope": 0.2}}
    }


def test_config_of_an_argument_that_is_not_kept_is_an_error():
    class Forgetful(tt.Layer):
        def __init__(self, size, *rest):
            self.rest = rest

        def forward(self, x):
            return x

    with pytest.raises(tt.ArgumentError, match=r"Forgetful: .* found no size, rest; set self\.size = size"):
        Forgetful(3).config()
    assert repr(Forgetful(3)) == "Forgetful(…)"


def test_repr_uses_config_where_attributes_have_other_names():
    class Scaled(tt.Layer):
        def __init__(self, factor, power=1):
            self._factor, self._power = factor, power

        def config(self):
            return {"factor": self._factor, "power": self._power}

        def forward(self, x):
            return x

    assert repr(Scaled(0.5)) == "Scaled(factor=0.5)"
    assert repr(Scaled(0.5, 2)) == "Scaled(factor=0.5, power=2)"


@pytest.mark.parametrize(
    "layer",
    [
        tt.Linear(3, 2), tt.Linear(3, 2, bias=False), tt.Linear(3, 2, dtype="float64"), tt.Flatten(),
        tt.Reshape((2, -1)), tt.Reshape(4), tt.Rescale(1 / 255), tt.Rescale(1 / 3, -0.5),
        tt.Rescale([0.1, 0.7], [1, float("-inf")]), tt.Rescale(float("inf"), float("nan")), tt.Dropout(0.2),
        tt.Perceptron([0.5, 0.5], -0.7), tt.Perceptron(np.ones((2, 4)), np.zeros(2)), tt.LayerNorm(3),
        tt.BatchNorm(2, running_var=[3, 4], eps=0.1, axis=-1), tt.PReLU([0.5]),
        tt.Perceptron(tt.Tensor([0.1], "float64"), tt.Tensor(0.7, "float64")), tt.relu, tt.LeakyReLU(0.2),
        tt.GELU("tanh"), tt.Softmax(axis=0), squareplus(b=1.0), Residual(tt.Dropout()),
        Branches([tt.relu, tt.Flatten()]), Branches(()),
    ],
    ids=repr,
)  # fmt: skip
def test_repr_is_the_code_that_builds_the_layer(layer):
    from tests import custom

    names = {name: getattr(tt, name) for name in tt.__all__} | vars(custom)
    again = eval(repr(layer), names | {"Squareplus": type(squareplus)})
    assert type(again) is type(layer)
    assert repr(again) == repr(layer)
    for name, tensor in layer.parameters().items():
        other = again.parameters()[name]
        assert (other.shape, other.dtype) == (tensor.shape, tensor.dtype)
        if tensor.size <= 8 and not isinstance(layer, tt.Linear):
            assert np.array_equal(other, tensor, equal_nan=True)


def test_a_large_parameter_is_shown_by_its_shape_not_as_zeros():
    assert (
        repr(tt.Perceptron(np.ones((50, 784)), np.ones(50))) == "Perceptron(weights=…(50, 784), bias=…(50,))"
    )


def test_code_of_values():
    assert (code((1, 2)), code((1,)), code(())) == ("(1, 2)", "(1,)", "()")
    assert code([1.5, float("inf"), "a"]) == "[1.5, float('inf'), 'a']"
    assert code(tt.Tensor([0.7])) == "[0.7]"
    assert code(tt.Tensor([1, 2], np.int32)) == "Tensor([1, 2], 'int32')"
    assert code(tt.zeros((3, 4))) == "…(3, 4)"
    assert code([tt.Tensor([0.7]), {"a": tt.ones(1)}]) == "[Tensor([0.7]), {'a': Tensor([1.0])}]"


# Copies


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["copy", "deep", "pickle"],
)
def test_copies_compute_the_same_and_are_frozen_too(copied):
    layer = tt.Sequential(
        Residual(tt.Linear(3, 3, seed=0)), squareplus(b=2.0), ("scale", Scale([1.0, 2.0, 3.0]))
    )
    x = tt.normal((4, 3), seed=1)
    again = copied(layer)
    assert np.array_equal(again(x), layer(x))
    assert repr(again) == repr(layer)
    for tensor in again.parameters().values():
        assert not tensor.numpy().flags.writeable


def test_a_deep_copy_changes_alone():
    layer = Residual(Scale([1.0]))
    again = copy.deepcopy(layer)
    again.inner.factor = [5.0]
    assert layer([1.0]).tolist() == [2.0]
    assert again([1.0]).tolist() == [6.0]


def test_every_layer_but_activations_is_final():
    public = [getattr(tt, name) for name in contents.__all__]
    layers = [each for each in public if isinstance(each, type) and issubclass(each, tt.Layer)]
    assert len(layers) > 40
    others = {each for each in layers if not issubclass(each, tt.Activation)} - {tt.Layer}
    assert all("__final__" in vars(each) for each in others)
