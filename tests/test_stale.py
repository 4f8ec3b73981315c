"""No way of changing an array that a layer was given or gave out makes a plan stale."""

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import same

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def agrees(model, x=X):
    """Assert that the plan gives the bits of layer by layer; the output."""
    with np.errstate(all="ignore"):
        y = model.predict(x)
        same(y, model(x, fused=False).numpy())
    return y


def linear(weight=None):
    return tt.Sequential(tt.Linear(4, 3, weight=np.ones((3, 4)) if weight is None else weight))


# Memory


def test_a_view_made_before_the_array_was_locked():
    weight = np.ones((3, 4), np.float32)
    view = weight[:]
    weight.flags.writeable = False
    model = linear(weight)
    before = agrees(model)
    view[...] = 7
    same(agrees(model), before)


@pytest.mark.parametrize("given", ["array", "view", "transposed", "Tensor", "read-only", "frombuffer"])
def test_no_array_that_was_given_is_kept(given):
    owner = bytearray(np.ones((3, 4), np.float32).tobytes())
    base = np.frombuffer(owner, np.float32).reshape(3, 4)
    locked = base[:]
    locked.flags.writeable = False
    weight = {
        "array": base, "view": base[:], "transposed": base.reshape(4, 3).T, "Tensor": tt.Tensor(base),
        "read-only": locked, "frombuffer": np.frombuffer(owner, np.float32).reshape(3, 4),
    }[given]  # fmt: skip
    model = linear(weight)
    before = agrees(model)
    base[...] = 7
    same(agrees(model), before)


def test_no_flag_unlocks_a_parameter():
    array = linear()[0].weight.numpy()
    each = array
    while isinstance(each, np.ndarray):
        with pytest.raises(ValueError, match="WRITEABLE"):
            each.flags.writeable = True
        each = each.base
    assert type(each) is bytes
    assert array.flags.aligned


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_every_shape_and_dtype_is_frozen(shape, dtype):
    layer = tt.Constant(np.ones(shape, dtype))
    same(layer.value.numpy(), np.ones(shape, dtype))
    assert not layer.value.numpy().flags.writeable


def test_what_dlpack_exports_of_a_parameter_is_a_copy():
    model = linear()
    before = agrees(model)
    taken = np.from_dlpack(model[0].weight)
    assert not np.shares_memory(taken, model[0].weight.numpy())
    with pytest.raises(BufferError, match="leave out copy=False"):
        model[0].weight.__dlpack__(copy=False)
    same(agrees(model), before)


def test_dlpack_still_shares_what_may_be_written_to():
    tensor = tt.Tensor(np.ones(3, np.float32))
    assert np.shares_memory(np.from_dlpack(tensor), tensor.numpy())


def test_torch_writes_into_a_copy():
    torch = pytest.importorskip("torch")
    model = linear()
    before = agrees(model)
    torch.from_dlpack(model[0].weight).zero_()
    same(agrees(model), before)


def test_a_state_dict_is_read_only():
    model = linear()
    for array in model.state_dict().values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


# Attributes


def test_an_array_assigned_to_a_rescale_is_copied():
    model = tt.Sequential(tt.Rescale(2.0), tt.Linear(4, 3, seed=0))
    scale = np.ones(4, np.float32)
    model[0].scale = scale
    before = agrees(model)
    scale[...] = 7
    same(agrees(model), before)


@pytest.mark.parametrize("value", [None, "2", 1j, True, [True, False]])
def test_a_rescale_takes_numbers_only(value):
    layer = tt.Rescale(2.0)
    with pytest.raises(tt.DtypeError, match=r"Rescale: scale: expected real numbers"):
        layer.scale = value
    assert layer.scale == 2.0


def test_a_rescales_float64_number_is_no_dtype():
    model = tt.Sequential(tt.Rescale(2.0), tt.Linear(4, 3, seed=0))
    model[0].scale = np.float64(3)
    assert agrees(model).dtype == np.float32


def test_minus_zero_is_another_number():
    @tt.activation
    def inverse(x):
        return 1 / x

    model = tt.Sequential(tt.Rescale(1.0, 0.0), inverse, tt.Linear(1, 1, weight=[[1.0]], bias=False))
    x = np.array([[-0.0]], np.float32)
    assert agrees(model, x).item() == np.inf
    model[0].offset = -0.0
    assert agrees(model, x).item() == -np.inf


def test_a_tuple_of_tensors_changes_like_anything():
    class Affine(tt.Layer):
        def __init__(self):
            self.pair = (tt.ones(4), tt.zeros(4))

        def forward(self, x):
            return x * self.pair[0] + self.pair[1]

    model = tt.Sequential(Affine(), tt.relu)
    agrees(model)
    model[0].pair = (tt.ones(4) * 2, tt.ones(4))
    same(agrees(model), np.maximum(X * 2 + 1, 0))


def test_a_bias_that_was_none_has_to_fit():
    model = tt.Sequential(tt.Linear(4, 3, bias=False, seed=0))
    agrees(model)
    for bias in (tt.ones(2), tt.ones(1), tt.ones((3, 1))):
        with pytest.raises(tt.ShapeError, match=r"bias: expected shape \(3,\)"):
            model[0].bias = bias
        agrees(model)
    model[0].bias = tt.ones(3)
    agrees(model)


class Gain(tt.Layer):
    def __init__(self):
        self.weight = tt.ones(4)

    def forward(self, x):
        return x * self.weight


def test_an_attribute_that_is_gone_is_missed_fused_and_unfused():
    model = tt.Sequential(Gain())
    agrees(model)
    del model[0].weight
    for fused in (True, False):
        with pytest.raises(AttributeError, match="weight"):
            model(X, fused=fused)


# Classes, properties, objects


def test_a_class_attribute_and_a_property_are_read_again():
    class Times(tt.Activation):
        factor = 2.0

        @staticmethod
        def scalar(x, factor):
            return x * factor

    class Own(Times):
        @property
        def factor(self):
            return self.__dict__["_factor"][0]

    model = tt.Sequential(tt.Linear(4, 4, weight=tt.eye(4)), Times())
    same(agrees(model), X * 2)
    Times.factor = 3.0
    same(agrees(model), X * 3)

    box = [5.0]
    model = tt.Sequential(tt.Linear(4, 4, weight=tt.eye(4)), Own())
    model[1]._factor = box
    same(agrees(model), X * 5)
    box[0] = 6.0
    same(agrees(model), X * 6)
    same(model.predict(X[:1]), X[:1] * 6)


def test_a_private_attribute_is_a_change_too():
    class Hidden(tt.Activation):
        def __init__(self):
            self._factor = 2.0

        @property
        def factor(self):
            return self._factor

        @staticmethod
        def scalar(x, factor):
            return x * factor

    model = tt.Sequential(tt.Linear(4, 4, weight=tt.eye(4)), Hidden())
    same(agrees(model), X * 2)
    model[1]._factor = 3.0
    same(agrees(model), X * 3)


@pytest.mark.parametrize("position", [0, 1])
def test_forward_assigned_to_an_object(position):
    model = tt.Sequential(tt.Linear(4, 4, weight=tt.eye(4)), tt.LeakyReLU(0.5))
    agrees(model)
    model[position].forward = lambda x: x * 0 + 3
    same(agrees(model), np.full_like(X, 3))
    del model[position].forward
    agrees(model)


def test_forward_assigned_to_a_model():
    model = tt.Sequential(tt.Linear(4, 4, seed=0))
    outer = tt.Sequential(model, tt.relu)
    agrees(outer)
    model.forward = lambda x: x + 1
    same(agrees(model), X + 1)
    same(agrees(outer), np.maximum(X + 1, 0))


def test_forward_assigned_to_a_class():
    class Twice(tt.Layer):
        def forward(self, x):
            return x * 2

    model = tt.Sequential(Twice())
    same(agrees(model), X * 2)
    Twice.forward = lambda self, x: x * 3
    same(agrees(model), X * 3)


# What activations read

FACTOR = 2.0


@tt.activation
def times(x):
    return FACTOR * x


@tt.activation
def times_twice(x):
    return times(x) * times(x)


def test_a_global_constant_that_changed_is_noticed(monkeypatch):
    models = [tt.Sequential(tt.Linear(4, 4, weight=tt.eye(4)), f) for f in (times, times, times_twice)]
    for _ in range(2):
        same(agrees(models[0]), X * 2)
    agrees(models[1]), agrees(models[2])
    monkeypatch.setitem(globals(), "FACTOR", 3.0)
    for model in models[:2]:
        same(agrees(model), X * 3)
        same(model.predict(X[:1]), X[:1] * 3)
    same(agrees(models[2]), (X * 3) * (X * 3))
    same(times(X).numpy(), X * 3)


def test_parameters_of_an_activation_inside_an_activation_are_noticed():
    inner = tt.LeakyReLU(0.5)

    @tt.activation
    def outer(x):
        return inner(x) + 1

    model = tt.Sequential(tt.Linear(4, 4, weight=tt.eye(4)), outer)
    same(agrees(model), np.where(X < 0, X * np.float32(0.5), X) + 1)
    inner.negative_slope = 0.25
    same(agrees(model), np.where(X < 0, X * np.float32(0.25), X) + 1)


def test_an_enclosing_variable_is_noticed():
    factor = 2.0

    def change(value):
        nonlocal factor
        factor = value

    @tt.activation
    def scaled(x):
        return x * factor

    model = tt.Sequential(tt.Linear(4, 4, weight=tt.eye(4)), scaled)
    same(agrees(model), X * 2)
    change(4.0)
    same(agrees(model), X * 4)


def test_an_unchanged_model_keeps_its_plan():
    model = tt.Sequential(tt.Rescale(2.0), tt.Linear(4, 3, seed=0), times)
    agrees(model)
    plan = model._plan
    model[0].scale = 2.0
    agrees(model)
    assert model._plan is plan
