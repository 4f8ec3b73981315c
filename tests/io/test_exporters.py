"""Every activation with every parameter off its default, through every exporter: ONNX, Python, PyTorch."""

import inspect
import itertools
import runpy

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import within
from tests.rounding import error_bound
from tinytensor.io.config import known_classes
from tinytensor.layers.activation import Activation

CLASSES_OF_ACTIVATIONS = [each for each in known_classes() if issubclass(each, Activation)]
# Values off the default, on both sides of what a formula could do with them.
OTHERS = {
    ("ELU", "alpha"): [0.5, 2.0, 0.0, -0.75],
    ("GELU", "approximate"): ["tanh"],
    ("LeakyReLU", "negative_slope"): [0.25, 0.0, 1.5, -0.5],
    ("LogSoftmax", "axis"): [1, -2],
    ("Softmax", "axis"): [1, -2],
    ("Swish", "beta"): [1.5, 0.0, -0.5],
    ("CELU", "alpha"): [0.5, 2.0],
    ("Clip", "low"): [-1.5, 0.75, -np.inf],
    ("Clip", "high"): [1.5, 4.0, np.inf],
    ("ClippedLinear", "alpha"): [0.5, -0.25, 1 / 6],
    ("ClippedLinear", "beta"): [0.25, -0.5],
    ("ScaledELU", "alpha"): [0.5, 2.0],
    ("ScaledELU", "gamma"): [0.5, 2.0, 1.0507009873554805],
    ("ThresholdedReLU", "alpha"): [0.5, 0.0, -0.25],
}
# What PyTorch has no module for, and to_torch therefore refuses.
NOT_IN_TORCH = {"ClippedLinear", "ScaledELU", "Exponential"}
X = np.random.default_rng(0).standard_normal((3, 4, 5)).astype(np.float32) * 4


def settings():
    """Each class as it is by default, with each parameter alone off its default, and with all of them."""
    for cls in CLASSES_OF_ACTIVATIONS:
        names = list(inspect.signature(cls).parameters)
        values = [OTHERS[cls.__name__, name] for name in names]
        yield cls, {}
        for name, others in zip(names, values, strict=True):
            yield from ((cls, {name: value}) for value in others)
        if len(names) > 1:
            yield from ((cls, dict(zip(names, each, strict=True))) for each in itertools.product(*values))


ACTIVATIONS = [cls(**given) for cls, given in settings()]


@pytest.fixture(params=ACTIVATIONS, ids=repr)
def activation(request):
    return request.param


def bound(layer):
    """Twice what one program may be off: of e^x, by a unit of roundoff of x under the exponential."""
    if isinstance(layer, tt.Exponential):
        return 2 * (16 + np.abs(X)) * 2.0**-24 * np.exp(X.astype(float))
    return 2 * error_bound(layer, X)


def test_every_parameter_has_values_off_its_default():
    for cls in CLASSES_OF_ACTIVATIONS:
        for name, parameter in inspect.signature(cls).parameters.items():
            assert OTHERS[cls.__name__, name]
            assert parameter.default not in OTHERS[cls.__name__, name]


def test_parameters_matter(activation):
    """X is such that a parameter that an exporter forgets is seen."""
    given = activation.config()
    default = type(activation)()
    if given != default.config():
        difference = np.abs(activation(X).numpy().astype(float) - default(X).numpy())
        assert (difference > 2 * bound(activation)).any()


def test_onnx(activation):
    pytest.importorskip("onnx", reason="onnx is not installed")
    ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    proto = tt.to_onnx(tt.Sequential(activation), shape=(4, 5))
    (theirs,) = ort.InferenceSession(proto.SerializeToString()).run(None, {"input": X})
    within(activation(X), theirs, bound(activation))
    again = tt.from_onnx(proto)
    within(activation(X), again(X), bound(activation))
    written = {key: np.float32(each) if isinstance(each, float) else each
               for key, each in activation.config().items()}  # fmt: skip
    if len(again) == 1 and type(again[0]) is type(activation):
        assert {key: np.float32(each) if isinstance(each, float) else each
                for key, each in again[0].config().items()} == written  # fmt: skip


def test_python(activation, tmp_path):
    tt.Sequential(activation).save(tmp_path / "m.py", (4, 5))
    within(activation(X), runpy.run_path(str(tmp_path / "m.py"))["predict"](X), bound(activation))


def test_torch(activation):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = tt.Sequential(activation)
    if type(activation).__name__ in NOT_IN_TORCH:
        with pytest.raises(tt.UnsupportedOp):
            tt.to_torch(model)
        return
    module = tt.to_torch(model)
    with torch.no_grad():
        theirs = module(torch.from_numpy(X)).numpy()
    within(activation(X), theirs, bound(activation))


def test_saved(activation, tmp_path):
    tt.Sequential(activation).save(tmp_path / "m.safetensors")
    again = tt.load(tmp_path / "m.safetensors")
    assert again[0].config() == activation.config()
    assert np.array_equal(again(X), activation(X))
