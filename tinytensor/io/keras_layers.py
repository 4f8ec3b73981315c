"""What each layer of Keras is here: its class, arguments and weights, from its configuration and its own."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.io import keras_images as images
from tinytensor.io import keras_rows as rows
from tinytensor.io.config import shortened
from tinytensor.io.keras_source import Described, Part, Source, floats, plain, rescale, unwrapped
from tinytensor.kernels.boundary import Array

__all__ = ["converted", "modern", "rank_after"]

EPSILON = 1e-7  # of `keras.backend.epsilon()`


def converted(source: Source) -> list[Part]:
    """The layers that one of Keras's is: none, one, or one and its activation.

    Raises:
        UnsupportedOp: there is none, or none with these arguments.
        ModelFormatError: an argument or a weight is not what such a layer has.
    """
    if source.kind not in LAYERS and source.kind.endswith(THREE_AXES):
        raise source.error("three spatial axes; tinytensor computes with one or two")
    if source.kind not in LAYERS:
        raise source.error(f"tinytensor has no such layer; there are {', '.join(LAYERS)}")
    convert, options = LAYERS[source.kind]
    for key, value in source.config.items():
        if key not in options and key not in HARMLESS and not key.endswith(TRAINING) and value:
            raise source.error(f"the option {shortened(key)} is not known; got {shortened(value)}")
    return convert(source)


def rank_after(layer: Described, rank: int | None) -> int | None:
    """How many axes a layer's output has, the batch's included, from that of its input; None if unknown."""
    shape = layer.config.get("target_shape")
    if layer.kind == "Flatten" or (layer.kind.startswith("Global") and not layer.config.get("keepdims")):
        return 2
    if layer.kind == "Embedding":
        return None if rank is None else rank + 1
    return len(shape) + 1 if layer.kind == "Reshape" and isinstance(shape, list) else rank


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
    named = ACTIVATIONS | KERAS_2 if source.version < 3 else ACTIVATIONS
    if isinstance(value, str) and value in named:
        return named[value]
    if isinstance(value, dict) and value.get("module", "keras.layers") == "keras.layers":
        kind, config = modern(str(value.get("class_name")), value.get("config"), source.version)
        if kind in ACTIVATION_LAYERS and isinstance(config, dict):
            return converted(source._replace(kind=kind, config=config, inner="activation"))
    known = ", ".join(named)
    raise source.error(f"the activation {shortened(value)} is none that tinytensor has; there are {known}")


def modern(kind: str, config: Any, version: int) -> tuple[str, Any]:
    """A class and its configuration in the words of Keras 3."""
    if version >= 3 or not isinstance(config, dict):
        return kind, config
    words = OLD_WORDS.get(kind, {})
    # Where both words are there, the old one stays, and is refused as an option that is not known.
    renamed = {words.get(key, key) if words.get(key) not in config else key: config[key] for key in config}
    return OLD_CLASSES.get(kind, kind), renamed


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
    arguments = {"eps": source.number("epsilon"), "axis": source.whole("axis", -1)}
    return [Part("BatchNorm", arguments, neutral | state)]


def layer_norm(source: Source) -> list[Part]:
    """Over the last axes; a layer without γ and β does not say how many features it has."""
    axes, rank = source.axes(), source.rank or 0
    last = axes == list(range(-len(axes), 0)) or axes == list(range(rank - len(axes), rank))
    names = ["weight"] * bool(source.config.get("scale", True)) + ["bias"] * bool(
        source.config.get("center", True)
    )
    if not last or not names:
        raise source.error("only over the last axes, with scale or center")
    state = dict(zip(names, source.arrays(len(names)), strict=True))
    if state[names[0]].ndim != len(axes):
        raise ModelFormatError(f"LayerNormalization: expected weights of {len(axes)} axes")
    neutral = {"weight": np.ones_like(state[names[0]])}
    return [Part("LayerNorm", {"eps": source.number("epsilon")}, neutral | state)]


def normalization(source: Source) -> list[Part]:
    """(x - mean) / max(√variance, ε), or the inverse, with the statistics in the file or in the arguments."""
    axes = [] if source.config.get("axis", -1) is None else source.axes()
    given = [unwrapped(source.config.get(key)) for key in ("mean", "variance")]
    if given == [None, None]:
        mean, variance = source.arrays(3, wanted=2)  # the third is how many samples there were
    else:
        mean, variance = (floats(source, value) for value in given)
    deviation = np.maximum(np.sqrt(variance.astype(np.float64)), EPSILON)
    mean, deviation = (placed(source, each, axes) for each in (mean, deviation))
    if source.config.get("invert"):
        return [rescale(deviation, mean)]
    shift = rescale(np.ones((), np.float32), -mean)._replace(suffix="_mean")
    return [shift, rescale(1 / deviation, np.zeros((), np.float32))]


def placed(source: Source, array: Array, axes: list[int]) -> Array:
    """Statistics of some axes in the shape that broadcasts along them, float32."""
    if array.size == 1:
        return array.reshape(()).astype(np.float32)
    rank = source.rank or 0
    kept = sorted(axis if axis < 0 or not rank else axis - rank for axis in axes)
    if array.ndim > len(kept) or any(axis >= 0 or axis < -64 for axis in kept) or len(set(kept)) != len(kept):
        raise source.error(f"axis {axes}: expected axes of the input, got statistics of shape {array.shape}")
    shape = [1] * -min(kept)
    for axis, length in zip(kept[::-1], array.shape[::-1], strict=False):
        shape[axis] = length
    return array.reshape(shape).astype(np.float32)


def unit_normalization(source: Source) -> list[Part]:
    """x / √max(Σ x², ε), where Keras 3 has the square of what was ε in Keras 2."""
    smallest = 1e-12 if source.version < 3 else 1e-24
    operations = ["Mul", "ReduceSum", "Max", "Sqrt", "Div"]
    arguments = {
        "input_names": ["input"],
        "output_names": ["y"],
        "layers": [
            *({"class": "Constant", "config": {}} for _ in range(2)),
            {"class": "Rescale", "config": {"scale": 1.0}},  # integers become floats
            *({"class": "Operator", "config": {"operation": name}} for name in operations),
        ],
        "wires": [
            [[], ["axes"]], [[], ["smallest"]], [["input"], ["x"]], [["x", "x"], ["squares"]],
            [["squares", "axes"], ["sum"]], [["sum", "smallest"], ["bounded"]], [["bounded"], ["norm"]],
            [["x", "norm"], ["y"]],
        ],
    }  # fmt: skip
    axes = np.array(source.axes(), np.int64)
    return [
        Part("Graph", arguments, {"layers.0.value": axes, "layers.1.value": np.array(smallest, np.float32)})
    ]


def rescaling(source: Source) -> list[Part]:
    """A number, or one for each channel."""
    arguments: dict[str, Any] = {}
    state: dict[str, Array] = {}
    for key, default in (("scale", None), ("offset", 0.0)):
        value = unwrapped(source.config.get(key, default))
        if not isinstance(value, list):
            arguments[key] = source.number(key, default)
        elif all(type(each) in (int, float) for each in value):
            state[key] = floats(source, value).astype(np.float32)
        else:
            raise source.error(f"{key}: expected a number, or one for each channel, got {shortened(value)}")
    return [Part("Rescale", arguments, state)]


def flatten(source: Source) -> list[Part]:
    """Channels last is the order of memory; channels first are moved there before."""
    if source.config.get("data_format", "channels_last") == "channels_last" or source.rank == 2:
        return plain("Flatten")
    if source.rank is None or not 2 < source.rank <= 64:
        raise source.error("channels_first: expected the shape of the model's input in the file")
    order = [0, *range(2, source.rank), 1]
    moved = Part("Operator", {"operation": "Transpose", "attributes": {"perm": order}}, {}, "_channels_last")
    return [moved, *plain("Flatten")]


def reshape(source: Source) -> list[Part]:
    """The shape of a sample."""
    shape = source.config.get("target_shape")
    if not isinstance(shape, list) or not all(type(n) is int for n in shape):
        raise source.error(f"expected lengths, got {shortened(shape)}")
    return plain("Reshape", shape=shape)


def activated(convert: Callable[[Source], list[Part]]) -> Callable[[Source], list[Part]]:
    """What a layer is without its activation, and this."""
    return lambda source: [*convert(source), *(a._replace(suffix="_activation") for a in activation(source))]


Rule = tuple[Callable[[Source], list[Part]], tuple[str, ...]]

# What is converted, and the options that are read for it.
ACTIVATION_LAYERS: dict[str, Rule] = {
    "ReLU": (relu, ("negative_slope", "max_value", "threshold")),
    "LeakyReLU": (
        lambda s: plain("LeakyReLU", negative_slope=s.number("negative_slope")),
        ("negative_slope",),
    ),
    "ELU": (lambda s: plain("ELU", alpha=s.number("alpha", 1.0)), ("alpha",)),
    "PReLU": (prelu, ("shared_axes",)),
    "Softmax": (softmax, ("axis",)),
}
DROPOUT: Rule = (lambda s: plain("Dropout", p=s.number("rate")), ("rate", "noise_shape"))
FORMAT = ("data_format",)
WINDOW = ("kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias", "activation", *FORMAT)
CONVOLUTION: Rule = (activated(images.convolution), ("filters", *WINDOW))
DEPTHWISE: Rule = (activated(images.depthwise), ("depth_multiplier", *WINDOW))
SEPARABLE: Rule = (activated(images.separable), ("filters", "depth_multiplier", *WINDOW))
TRANSPOSED: Rule = (activated(rows.convolution_transpose), ("filters", "output_padding", *WINDOW))
POOLING: Rule = (images.pooling, ("pool_size", "strides", "padding", *FORMAT))
GLOBAL: Rule = (images.global_pooling, ("keepdims", *FORMAT))
NOTHING: Rule = (lambda s: plain("Identity"), ("rate", "stddev", "sigma", "p", "l1", "l2"))
LAYERS: dict[str, Rule] = {
    "InputLayer": (lambda s: [], ("optional", "sparse", "ragged")),
    "Dense": (dense, ("units", "use_bias", "activation")),
    "Activation": (alone, ("activation",)),
    **ACTIVATION_LAYERS,
    "Flatten": (flatten, ("data_format",)),
    "Reshape": (reshape, ("target_shape",)),
    "Rescaling": (rescaling, ("scale", "offset")),
    "Normalization": (normalization, ("axis", "mean", "variance", "invert")),
    "UnitNormalization": (unit_normalization, ("axis",)),
    "Identity": NOTHING,
    "Dropout": DROPOUT,
    "AlphaDropout": DROPOUT,
    "SpatialDropout1D": DROPOUT,
    "SpatialDropout2D": (DROPOUT[0], ("rate", "data_format")),
    "SpatialDropout3D": (DROPOUT[0], ("rate", "data_format")),
    "GaussianDropout": NOTHING,
    "GaussianNoise": NOTHING,
    "ActivityRegularization": NOTHING,
    "BatchNormalization": (batch_norm, ("axis", "epsilon", "center", "scale", "momentum", "synchronized",
                                        "renorm_momentum")),
    "LayerNormalization": (layer_norm, ("axis", "epsilon", "center", "scale")),
    **{f"Conv{axes}D": CONVOLUTION for axes in (1, 2)},
    **{f"Conv{axes}DTranspose": TRANSPOSED for axes in (1, 2)},
    **{f"DepthwiseConv{axes}D": DEPTHWISE for axes in (1, 2)},
    **{f"SeparableConv{axes}D": SEPARABLE for axes in (1, 2)},
    **{f"{kind}Pooling{axes}D": POOLING for kind in ("Max", "Average") for axes in (1, 2)},
    **{f"Global{kind}Pooling2D": GLOBAL for kind in ("Max", "Average")},
    **{f"Global{kind}Pooling1D": (rows.global_pooling_of_rows, GLOBAL[1]) for kind in ("Max", "Average")},
    **{f"ZeroPadding{axes}D": (images.zero_padding, ("padding", *FORMAT)) for axes in (1, 2)},
    **{f"Cropping{axes}D": (images.cropping, ("cropping", *FORMAT)) for axes in (1, 2)},
    "UpSampling1D": (rows.repeated, ("size", *FORMAT)),
    "UpSampling2D": (images.upsampling, ("size", "interpolation", *FORMAT)),
    "Permute": (images.permute, ("dims",)),
    "Embedding": (images.embedding, ("input_dim", "output_dim", "mask_zero")),
}  # fmt: skip
THREE_AXES = ("3D", "3DTranspose")
# Options of every layer that say nothing of what it computes once it is trained.
HARMLESS = {
    "name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_shape", "input_dim",
    "input_dtype", "input_length", "seed", "init", "weights",
}  # fmt: skip
TRAINING = ("_initializer", "_regularizer", "_constraint", "_init")
# What was called otherwise before Keras 3.
OLD_CLASSES = {
    "ThresholdedReLU": "ReLU",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
}
OLD_WORDS = {
    "Dense": {"output_dim": "units", "bias": "use_bias"},
    "Dropout": {"p": "rate"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "ThresholdedReLU": {"theta": "threshold"},
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
# The names that meant something else before Keras 3.
KERAS_2: dict[str, list[Part]] = {
    "hard_sigmoid": plain("ClippedLinear", alpha=0.2, beta=0.5),
    "softmax_v2": plain("Softmax"),
}
