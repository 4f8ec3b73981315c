import json

import numpy as np
import pytest

import tinytensor as tt
from tests.custom import Branches, Residual, Scale, Shift, squareplus
from tinytensor.io.config import MAX_DEPTH, build, describe, known_class, known_classes, text_of
from tinytensor.layers.state_dict import state_dict

CUSTOM = [Branches, Residual, Scale, Shift, squareplus]


def rebuilt(layer, custom=None):
    return build(json.loads(json.dumps(describe(layer))), state_dict(layer), custom)


@pytest.mark.parametrize(
    "layer",
    [
        tt.Linear(3, 4, seed=0), tt.Linear(3, 4, bias=False, dtype="float64"), tt.Flatten(),
        tt.Reshape((3, -1)),
        tt.Rescale(0.5, -1), tt.Rescale([1, 2, 3], 0.5), tt.Dropout(0.1), tt.Perceptron([1, 2, 3], -0.5),
        tt.Perceptron(np.ones((2, 3)), [1, 2]), tt.LeakyReLU(0.3), tt.ELU(float("inf")), tt.GELU("tanh"),
        tt.Softmax(axis=0), tt.Sequential(),
        tt.Sequential(tt.Linear(3, 3), ("a", tt.Sequential(tt.Softmax()))),
        Scale([1, 2, 3]), Shift(3), squareplus(b=2.0), Residual(tt.Sequential(Residual(tt.Linear(3, 3)))),
        Branches([tt.Linear(3, 2), tt.relu, Branches([Shift(3), tt.Linear(3, 1)])]),
        Residual(Scale(np.array([1.0, 2.0, 3.0]))),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_a_description_builds_the_same_layer(layer):
    again = rebuilt(layer, CUSTOM)
    assert type(again) is type(layer)
    assert repr(again) == repr(layer)
    assert describe(again) == describe(layer)
    x = tt.normal((3, 3), seed=1)
    assert np.array_equal(again(x), layer(x))
    for name, tensor in again.parameters().items():
        assert tensor.dtype == layer.parameters()[name].dtype


def test_every_known_class_is_public():
    for each in known_classes():
        assert getattr(tt, each.__name__) is known_class(each.__name__) is each
    assert [known_class(name) for name in ("Layer", "Lambda", "Tensor", "relu", "os", "")] == [None] * 6


def test_the_parameters_are_the_arrays_given_without_a_copy():
    layer = tt.Sequential(tt.Linear(300, 200), Scale(np.ones(200)))
    state = state_dict(layer)
    again = build(describe(layer), state, [Scale])
    assert all(tensor.numpy() is state[name] for name, tensor in again.parameters().items())


def test_parameters_may_have_been_set_to_another_dtype():
    layer = tt.Sequential(Shift(2), tt.Linear(2, 2, seed=0))
    layer[0].amount = tt.Tensor([0.1, 0.2], "float64")
    layer[1].bias = tt.Tensor([0.1, 0.2], "float64")
    again = rebuilt(layer, [Shift])
    assert np.array_equal(again([1.0, 2.0]), layer([1.0, 2.0]))
    assert again[0].amount.dtype == again[1].bias.dtype == np.float64


def test_integers_and_bools_stay_what_they_are():
    layer = Scale([1.0, 2.0])
    vars(layer)["factor"] = tt.Tensor([3, 4], "int32")
    assert rebuilt(layer, [Scale]).factor.dtype == np.int32


def test_custom_objects_by_list_and_by_name():
    layer = tt.Sequential(Scale([1.0]), squareplus)
    for custom in (
        [Scale, squareplus],
        (Scale, type(squareplus)),
        {"Scale": Scale, "Squareplus": squareplus},
    ):
        assert repr(rebuilt(layer, custom)) == repr(layer)
    with pytest.raises(
        tt.ModelFormatError, match=r"Sequential\[0\]: the class 'Scale' is not known; .*custom_objects"
    ):
        rebuilt(layer)
    for wrong in ([3], {"Scale": "Scale"}, [tt.Tensor]):
        with pytest.raises(tt.ArgumentError, match="custom_objects: expected layers and activations"):
            rebuilt(layer, wrong)
    with pytest.raises(tt.ArgumentError, match="custom_objects: Linear is a class that tinytensor knows"):
        rebuilt(layer, {"Linear": Scale})


def test_a_custom_class_with_a_known_name_is_not_described():
    class Linear(tt.Layer):
        def forward(self, x):
            return x

    with pytest.raises(tt.ArgumentError, match="the class Linear has the name of one of tinytensor's"):
        describe(tt.Sequential(Residual(Linear())))


def test_what_json_cannot_hold_is_named():
    class Apply(tt.Layer):
        def __init__(self, factor, function):
            self.factor, self.function = factor, function

        def forward(self, x):
            return self.function(x * self.factor)

    model = tt.Sequential(Residual(Apply(2.0, abs)))
    with pytest.raises(tt.ArgumentError, match=r"^Apply\.function: expected numbers, strings, lists and d"):
        text_of(model)


def test_a_sequential_with_attributes_is_not_described():
    model = tt.Sequential(tt.relu)
    model.gain = tt.ones(3)
    with pytest.raises(tt.ArgumentError, match="expected layers only, found the attributes gain"):
        describe(tt.Sequential(model))


def test_depth_is_bounded_both_ways():
    layer = tt.relu
    for _ in range(MAX_DEPTH):
        layer = tt.Sequential(layer)
    assert repr(rebuilt(layer)) == repr(layer)
    with pytest.raises(tt.ArgumentError, match="at most 64 layers inside one another"):
        describe(tt.Sequential(layer))
    config = {"class": "ReLU", "config": {}}
    for _ in range(MAX_DEPTH + 1):
        config = {"class": "Sequential", "config": {"layers": [{"name": "0"} | config]}}
    with pytest.raises(tt.ModelFormatError, match="at most 64 layers inside one another"):
        build(config, {})


def described(class_name, name="0", **config):
    return {"name": name, "class": class_name, "config": config}


W = np.ones((2, 3), np.float32)
HUGE = 10**9


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "model: expected {\"class\""),
        ({"class": "Linear"}, "model: expected {\"class\""),
        ({"class": "Linear", "config": [], }, "model: expected {\"class\""),
        ({"class": ["Linear"], "config": {}}, "model: expected {\"class\""),
        ({"class": "os.system", "config": {}}, "the class 'os.system' is not known"),
        ({"class": "Layer", "config": {}}, "the class 'Layer' is not known"),
        ({"class": "Lambda", "config": {}}, "the class 'Lambda' is not known"),
        ({"class": "Sequential", "config": {}}, "model Sequential: expected {\"layers\": "),
        ({"class": "Sequential", "config": {"layers": {}}}, "model Sequential: expected {\"layers\": "),
        ({"class": "Sequential", "config": {"layers": [3]}}, r"Sequential\[0\]: expected a layer with"),
        ({"class": "Sequential", "config": {"layers": [{"name": 3}]}}, "expected a layer with a name"),
        ({"class": "Sequential", "config": {"layers": [], "x": 1}}, "Sequential: expected {\"layers\": "),
        ([described("ReLU", "a"), described("ReLU", "a")], "Sequential: expected different names"),
        ([described("ReLU", "a.b")], "expected a name without dots"),
        ([described("ReLU", "1")], "expected a name without dots that is no number"),
        ([described("ReLU", slope=1)], r"model Sequential\[0\] ReLU: ArgumentError"),
        ([described("Reshape", shape="ab")], r"Sequential\[0\] Reshape: ArgumentError: Reshape: shape"),
        ([described("Dropout", p=7)], r"Sequential\[0\] Dropout: ArgumentError: Dropout: p"),
        ([described("LeakyReLU", negative_slope="x")], r"Sequential\[0\] LeakyReLU: DtypeError"),
        ([described("Perceptron")], "Perceptron: TypeError"),
        ([described("Linear", in_features=3, out_features=2)], r"Sequential\[0\] Linear: missing: weight"),
        ([described("Linear", in_features=HUGE, out_features=HUGE)], "Linear: missing: weight"),
        ([described("Residual", inner=described("ReLU"))], "the class 'Residual' is not known"),
    ],
)  # fmt: skip
def test_configurations_that_are_wrong(config, message):
    if isinstance(config, list):
        config = {"class": "Sequential", "config": {"layers": config}}
    with pytest.raises(tt.ModelFormatError, match=message):
        build(config, {})


FITS = {"in_features": 3, "out_features": 2, "bias": False}


@pytest.mark.parametrize(
    ("arguments", "state", "message"),
    [
        (FITS | {"out_features": 1}, {"weight": W}, r"weight: expected shape \(1, 3\), got \(2, 3\)"),
        (FITS | {"in_features": HUGE, "out_features": HUGE}, {"weight": W}, "weight: expected shape"),
        (FITS | {"in_features": -3}, {"weight": W}, "in_features: expected a positive integer"),
        ({"in_features": 3}, {"weight": W}, "TypeError"),
        (FITS | {"bias": True}, {"weight": W}, r"missing: bias \(2,\)"),
        (FITS, {"weight": W, "bias": W[:, 0]}, "unexpected: bias"),
        (FITS | {"bias": "x"}, {"weight": W}, "expected real numbers"),
        (FITS | {"bias": True}, {"weight": W, "bias": W[0]}, r"bias: expected shape \(2,\), got \(3,\)"),
        (FITS, {"weight": W, "gain": W}, "unexpected: gain"),
        (FITS, {"weight": W.astype(int)}, r"weight: expected \(2, 3\) float64, got \(2, 3\) int64"),
        (FITS | {"dtype": "float64"}, {"weight": W}, "no file has dtype as arguments"),
        (FITS | {"weight": [[0]]}, {"weight": W}, "no file has weight as arguments"),
    ],
)
def test_parameters_that_do_not_fit(arguments, state, message):
    with pytest.raises(tt.ModelFormatError, match=message):
        build({"class": "Linear", "config": arguments}, state)


def test_all_wrong_parameters_are_named_at_once():
    config = describe(tt.Sequential(Shift(2), Shift(3), tt.relu))
    with pytest.raises(tt.ModelFormatError) as error:
        build(config, {"1.amount": np.ones(4), "2.amount": np.ones(1)}, [Shift])
    assert str(error.value).splitlines() == [
        "the parameters are not those of the model:",
        "  1.amount: expected (3,) float32, got (4,) float64",
        "  missing: 0.amount (2,)",
        "  unexpected: 2.amount (1,)",
    ]


def test_a_long_list_of_problems_is_cut():
    with pytest.raises(tt.ModelFormatError, match=r"and 30 more$"):
        build(describe(tt.relu), {f"w{i}": W for i in range(50)})
