"""Assigning to a layer's parameters and arguments: what does not fit is refused, and changes nothing."""

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import same

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
IMAGE = np.linspace(-1, 1, 25, dtype=np.float32).reshape(1, 1, 5, 5)
LINEAR = r"Linear\(in_features=3, out_features=2\)"
CONV = r"Conv2d\(in_channels=1, out_channels=2, kernel_size=3\)"

LAYERS = {
    "linear": lambda: tt.Linear(3, 2, seed=0),
    "linear without bias": lambda: tt.Linear(3, 2, bias=False, seed=0),
    "conv": lambda: tt.Conv2d(1, 2, 3, seed=0),
    "batch norm": lambda: tt.BatchNorm(3),
    "layer norm": lambda: tt.LayerNorm(3),
    "embedding": lambda: tt.Embedding(4, 2, seed=0),
    "prelu": lambda: tt.PReLU([0.5]),
    "pool": lambda: tt.MaxPool2d(2),
    "gelu": lambda: tt.GELU(),
    "softmax": lambda: tt.Softmax(),
}
REFUSED = [
    ("linear", "weight", None, rf"{LINEAR}\.weight: expected a Tensor of shape \(2, 3\), got None"),
    ("linear", "weight", "abc", rf"{LINEAR}\.weight: expected real numbers, got <U3"),
    ("linear", "weight", [[1, 2, 3], [4, 5]], rf"{LINEAR}\.weight: expected rows of equal length"),
    ("linear", "weight", np.ones((3, 2)), r"expected a Tensor of shape \(2, 3\).*did you mean its \.T"),
    ("linear", "weight", np.ones((2, 3), bool), r"expected float32, got bool; value\.astype\('float32'\)"),
    ("linear", "weight", 1j * np.ones((2, 3)), rf"{LINEAR}\.weight: expected real numbers, got complex"),
    ("linear", "weight", False, r"Linear: weight: expected shape \(2, 3\), got \(\)"),
    ("linear", "bias", True, rf"{LINEAR}\.bias: expected a Tensor of shape \(2,\), got \(\)"),
    ("linear", "bias", [1, 2, 3], rf"{LINEAR}\.bias: expected a Tensor of shape \(2,\), got \(3,\)"),
    ("linear", "wieght", tt.ones((2, 3)), r"a Linear has no such parameter; did you mean \.weight\?"),
    ("linear without bias", "bias", [1, 2, 3], r"Linear: bias: expected shape \(2,\), got \(3,\)"),
    ("linear without bias", "bias", "abc", r"Linear: bias: expected real numbers"),
    ("conv", "weight", None, rf"{CONV}\.weight: expected a Tensor"),
    ("conv", "stride", "a", r"Conv2d: stride: expected a positive integer or \(height, width\), got 'a'"),
    ("conv", "padding", -1, r"Conv2d: padding: expected"),
    ("conv", "groups", 0, r"Conv2d: groups: expected a positive integer, got 0"),
    ("conv", "channels_last", "no", r"Conv2d: channels_last: expected True or False, got 'no'"),
    ("batch norm", "running_var", None, r"running_var: expected a Tensor of shape \(3,\), got None"),
    ("batch norm", "eps", None, r"BatchNorm\(eps=…\): expected a real number, got None"),
    ("batch norm", "axis", 1.5, r"BatchNorm: axis: expected an integer, got 1\.5"),
    ("layer norm", "weight", None, r"weight: expected a Tensor of shape \(3,\), got None"),
    ("layer norm", "eps", "a", r"LayerNorm\(eps=…\): expected a real number, got 'a'"),
    ("embedding", "weight", None, r"weight: expected a Tensor of shape \(4, 2\), got None"),
    ("prelu", "weight", None, r"PReLU\(weight=\[0\.5\]\)\.weight: expected a Tensor"),
    ("pool", "kernel_size", None, r"MaxPool2d: kernel_size: expected a positive integer"),
    ("softmax", "axis", "x", r"Softmax: axis: expected an integer, got 'x'"),
    ("gelu", "approximate", "sigmoid", r'approximate=.*expected "none" or "tanh"'),
]


@pytest.mark.parametrize(("which", "name", "value", "message"), REFUSED, ids=lambda each: f"{each!s:.20}")
def test_what_does_not_fit_is_refused_at_once(which, name, value, message):
    layer = LAYERS[which]()
    before = dict(vars(layer))
    with pytest.raises(tt.TinyTensorError, match=message):
        setattr(layer, name, value)
    assert vars(layer).keys() == before.keys()
    assert all(vars(layer)[each] is kept for each, kept in before.items())


@pytest.mark.parametrize(
    ("which", "none"),
    [("linear", None), ("linear", False), ("conv", None), ("conv", False), ("layer norm", None)],
)
def test_a_bias_is_taken_away_and_given(which, none):
    layer, x = LAYERS[which](), IMAGE if which == "conv" else X
    count = len(layer.bias)
    layer.bias = np.arange(count)
    bias = layer.bias.numpy()
    with_bias = layer(x)
    layer.bias = none
    assert layer.bias is None
    assert "bias" not in layer.parameters()
    without = layer(x).numpy()
    layer.bias = bias.tolist()
    same(layer(x), with_bias.numpy())
    layer.bias = tt.zeros(count)
    same(layer(x), without)


def test_a_new_bias_has_the_dtype_of_the_weight():
    layer = tt.Linear(3, 2, bias=False, dtype="float64")
    layer.bias = [1.0, 2.0]
    assert layer.bias.dtype == np.float64
    layer.bias = None
    layer.bias = True
    assert layer.bias.tolist() == [0, 0]


@pytest.mark.parametrize("name", ["weight", "bias"])
def test_a_parameter_is_not_deleted(name):
    layer = tt.Linear(3, 2)
    with pytest.raises(tt.ArgumentError, match=rf"{LINEAR}\.{name}: cannot be deleted, but replaced"):
        delattr(layer, name)
    assert layer(X).shape == (2, 2)


def test_an_argument_is_kept_as_the_constructor_keeps_it():
    layer = tt.Conv2d(1, 2, 3, seed=0)
    weight = layer.weight.numpy()
    layer.stride, layer.padding = (2, 2), ((1, 1), (1, 1))
    assert repr(layer) == "Conv2d(in_channels=1, out_channels=2, kernel_size=3, stride=2, padding=1)"
    same(layer.weight, weight)
    same(layer(IMAGE), tt.conv2d(IMAGE, weight, layer.bias, 2, 1).numpy())
    gelu = tt.GELU()
    gelu.approximate = "tanh"
    same(gelu(X), tt.GELU("tanh")(X).numpy())


class Optional(tt.Layer):
    weight: tt.Tensor

    def __init__(self):
        self.weight, self.shift, self.size = tt.ones(3), tt.ones(3), 3

    def forward(self, x):
        return x * self.weight if self.shift is None else x * self.weight + self.shift


def test_a_layer_of_ones_own():
    layer = Optional()
    with pytest.raises(tt.ArgumentError, match=r"weight: expected a Tensor of shape \(3,\), got None"):
        layer.weight = None  # annotated as a Tensor
    with pytest.raises(tt.ShapeError, match=r"shift: expected a Tensor of shape \(3,\), got \(\)"):
        layer.shift = False  # only a constructor of ours says what that means
    layer.shift, layer.size, layer.more = None, "anything", tt.ones(2)
    same(layer(X), X)
    del layer.more
    assert list(layer.parameters()) == ["weight"]
