"""What each layer of Keras is here: its class, arguments and weights, from its configuration and its own."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io.config import shortened
from tinytensor.kernels.boundary import Array

__all__ = ["Part", "Source", "converted"]


class Part(NamedTuple):
    """A layer of ours, and what is put behind the name of Keras's layer for it."""

    cls: str
    arguments: dict[str, Any]
    state: dict[str, Array]
    suffix: str = ""


class Source(NamedTuple):
    """A layer of Keras's; `weights` reads its own, or those of what is inside it by that name."""

    kind: str
    config: dict[str, Any]
    shape: list[Any] | None
    weights: Callable[[str], list[Array]]
    inner: str = ""

    def error(self, said: str) -> UnsupportedOp:
        """What to raise for a layer that cannot be expressed."""
        return UnsupportedOp(f"{self.kind} {shortened(self.config.get('name'))}: {said}")

    def number(self, key: str, default: Any = None) -> float:
        """A finite number of the configuration."""
        value = self.config.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
            raise ModelFormatError(f"{self.kind}: {key}: expected a number, got {shortened(value)}")
        return float(value)

    def whole(self, key: str, default: Any = None) -> int:
        """An integer of the configuration, an axis or a length."""
        value = self.config.get(key, default)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if type(value) is not int:
            raise self.error(f"{key}: expected an integer, got {shortened(value)}")
        return value

    def arrays(self, count: int) -> list[Array]:
        """The weights, of which there must be so many; those of a model that was never built are missing."""
        found = self.weights(self.inner)
        if len(found) != count:
            raise ModelFormatError(
                f"{self.kind} {shortened(self.config.get('name'))}: expected {count} arrays of weights, "
                f"got {len(found)}; was the model built before it was saved?"
            )
        return found


def converted(source: Source) -> list[Part]:
    """The layers that one of Keras's is: none, one, or one and its activation.

    Raises:
        UnsupportedOp: there is none, or none with these arguments.
        ModelFormatError: an argument or a weight is not what such a layer has.
    """
    if source.kind == "InputLayer":
        return []
    if source.kind not in LAYERS:
        raise source.error(f"tinytensor has no such layer; there are {', '.join(LAYERS)}")
    return LAYERS[source.kind](source)


def plain(cls: str, **arguments: Any) -> list[Part]:
    """A layer without weights."""
    return [Part(cls, arguments, {})]


def transposed(matrix: Array) -> Array:
    """(in, out) as (out, in), in memory of its own that nobody else writes to."""
    result = np.ascontiguousarray(matrix.T)
    result.flags.writeable = False
    return result


def dense(source: Source) -> list[Part]:
    """Keras keeps the kernel as (in, out)."""
    kernel, *bias = source.arrays(2 if source.config.get("use_bias", True) else 1)
    if kernel.ndim != 2 or kernel.shape[1] != source.whole("units") or not kernel.size:
        raise ModelFormatError(f"Dense: expected a kernel (in, {source.config['units']}), got {kernel.shape}")
    arguments = {"in_features": kernel.shape[0], "out_features": kernel.shape[1], "bias": bool(bias)}
    state = {"weight": transposed(kernel)} | ({"bias": bias[0]} if bias else {})
    return [Part("Linear", arguments, state), *(a._replace(suffix="_activation") for a in activation(source))]


def activation(source: Source) -> list[Part]:
    """The activation of a layer: none if it is linear, by name, or a layer of its own."""
    value = source.config.get("activation", "linear")
    if value is None or value == "linear":
        return []
    if isinstance(value, str) and value in ACTIVATIONS:
        return ACTIVATIONS[value]
    if isinstance(value, dict) and value.get("module") == "keras.layers":
        kind, config = str(value.get("class_name")), value.get("config")
        if kind in ACTIVATION_LAYERS and isinstance(config, dict):
            return ACTIVATION_LAYERS[kind](source._replace(kind=kind, config=config, inner="activation"))
    known = ", ".join(ACTIVATIONS)
    raise source.error(f"the activation {shortened(value)} is none that tinytensor has; there are {known}")


def alone(source: Source) -> list[Part]:
    """The layer Activation; a linear one is still a layer."""
    return activation(source) or plain("Identity")


def relu(source: Source) -> list[Part]:
    """Its three parameters, if no more than one of them is in use; with all of them it is no one layer."""
    slope, threshold = source.number("negative_slope", 0.0), source.number("threshold", 0.0)
    limit = source.config.get("max_value")
    if limit is None and not threshold:
        return plain("LeakyReLU", negative_slope=slope) if slope else plain("ReLU")
    if limit is None and not slope:
        return plain("ThresholdedReLU", alpha=threshold)
    if not slope and not threshold and source.number("max_value") >= 0:
        return plain("Clip", low=0.0, high=source.number("max_value"))
    raise source.error("of negative_slope, max_value and threshold, one at a time would help")


def softmax(source: Source) -> list[Part]:
    """Along one axis."""
    return plain("Softmax", axis=source.whole("axis", -1))


def prelu(source: Source) -> list[Part]:
    """Its slopes have the axes of a sample, those that it shares with length 1."""
    return [Part("PReLU", {}, {"weight": source.arrays(1)[0]})]


def batch_norm(source: Source) -> list[Part]:
    """γ and β may be missing: then they are 1 and 0."""
    names = ["weight"] * bool(source.config.get("scale", True)) + ["bias"] * bool(
        source.config.get("center", True)
    )
    names += ["running_mean", "running_var"]
    state = dict(zip(names, source.arrays(len(names)), strict=True))
    neutral = {"weight": np.ones_like(state["running_mean"]), "bias": np.zeros_like(state["running_mean"])}
    arguments = {"eps": source.number("epsilon", 1e-3), "axis": source.whole("axis", -1)}
    return [Part("BatchNorm", arguments, neutral | state)]


def layer_norm(source: Source) -> list[Part]:
    """Over the last axes, with γ; a layer without γ and β does not say how many features it has."""
    axes = source.config.get("axis", -1)
    axes = axes if isinstance(axes, list) else [axes]
    rank = len(source.shape) if source.shape else 0
    last = all(type(axis) is int for axis in axes) and (
        axes == list(range(-len(axes), 0)) or axes == list(range(rank - len(axes), rank))
    )
    if not last or source.config.get("rms_scaling") or not source.config.get("scale", True):
        raise source.error("only over the last axes, with scale and without rms_scaling")
    names = ["weight", "bias"] if source.config.get("center", True) else ["weight"]
    state = dict(zip(names, source.arrays(len(names)), strict=True))
    if state["weight"].ndim != len(axes):
        raise ModelFormatError(f"LayerNormalization: expected weights of {len(axes)} axes")
    return [Part("LayerNorm", {"eps": source.number("epsilon", 1e-3)}, state)]


def rescaling(source: Source) -> list[Part]:
    """A number, or one for each channel."""
    arguments: dict[str, Any] = {}
    state: dict[str, Array] = {}
    for key, default in (("scale", None), ("offset", 0.0)):
        value = source.config.get(key, default)
        if isinstance(value, dict) and isinstance(value.get("config"), dict):  # an array of NumPy
            value = value["config"].get("value")
        if not isinstance(value, list):
            arguments[key] = source._replace(config={key: value}).number(key)
        elif all(type(each) in (int, float) for each in value):
            state[key] = np.array(value, np.float64).astype(np.float32)
        else:
            raise source.error(f"{key}: expected a number, or one for each channel, got {shortened(value)}")
    return [Part("Rescale", arguments, state)]


def flatten(source: Source) -> list[Part]:
    """Channels last is the order of memory; channels first are moved there before."""
    rank = len(source.shape) if source.shape is not None else None
    if source.config.get("data_format", "channels_last") == "channels_last" or rank == 2:
        return plain("Flatten")
    if rank is None or not 2 < rank <= 64:
        raise source.error("channels_first: expected the shape of its input in the file")
    return plain("Operator", operation="Transpose", attributes={"perm": [0, *range(2, rank), 1]}) + plain(
        "Flatten"
    )


def reshape(source: Source) -> list[Part]:
    """The shape of a sample."""
    shape = source.config.get("target_shape")
    if not isinstance(shape, list) or not all(type(n) is int for n in shape):
        raise source.error(f"expected lengths, got {shortened(shape)}")
    return plain("Reshape", shape=shape)


ACTIVATION_LAYERS: dict[str, Callable[[Source], list[Part]]] = {
    "ReLU": relu,
    "LeakyReLU": lambda s: plain("LeakyReLU", negative_slope=s.number("negative_slope", 0.3)),
    "ELU": lambda s: plain("ELU", alpha=s.number("alpha", 1.0)),
    "PReLU": prelu,
    "Softmax": softmax,
}
LAYERS: dict[str, Callable[[Source], list[Part]]] = {
    "InputLayer": lambda s: [],
    "Dense": dense,
    "Activation": alone,
    **ACTIVATION_LAYERS,
    "Flatten": flatten,
    "Reshape": reshape,
    "Rescaling": rescaling,
    "Identity": lambda s: plain("Identity"),
    "Dropout": lambda s: plain("Dropout", p=s.number("rate")),
    "AlphaDropout": lambda s: plain("Dropout", p=s.number("rate")),
    "SpatialDropout1D": lambda s: plain("Dropout", p=s.number("rate")),
    "SpatialDropout2D": lambda s: plain("Dropout", p=s.number("rate")),
    "GaussianDropout": lambda s: plain("Identity"),
    "GaussianNoise": lambda s: plain("Identity"),
    "ActivityRegularization": lambda s: plain("Identity"),
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
}
ACTIVATIONS: dict[str, list[Part]] = {
    "celu": plain("CELU"),
    "elu": plain("ELU"),
    "exponential": plain("Exponential"),
    "gelu": plain("GELU"),
    "hard_sigmoid": plain("HardSigmoid"),
    "hard_silu": plain("HardSwish"),
    "hard_swish": plain("HardSwish"),
    "hard_tanh": plain("Clip", low=-1.0, high=1.0),
    "leaky_relu": plain("LeakyReLU", negative_slope=0.2),
    "linear": plain("Identity"),
    "log_softmax": plain("LogSoftmax"),
    "mish": plain("Mish"),
    "relu": plain("ReLU"),
    "relu6": plain("Clip", low=0.0, high=6.0),
    "selu": plain("SELU"),
    "sigmoid": plain("Sigmoid"),
    "silu": plain("Swish"),
    "softmax": plain("Softmax"),
    "softplus": plain("Softplus"),
    "softsign": plain("Softsign"),
    "swish": plain("Swish"),
    "tanh": plain("Tanh"),
}
