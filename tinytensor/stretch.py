"""`Stretch`: consecutive layers that the compiled driver knows, run as one program or several."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinytensor.activations import LogSoftmax as LogSoftmaxLayer
from tinytensor.activations import Softmax as SoftmaxLayer
from tinytensor.activations import step
from tinytensor.errors import TinyTensorError
from tinytensor.kernels import arithmetic
from tinytensor.kernels.boundary import FLOATS, Array
from tinytensor.kernels.load import KernelRaised
from tinytensor.layers.activation import Activation
from tinytensor.layers.batch_norm import BatchNorm
from tinytensor.layers.dropout import Dropout
from tinytensor.layers.flatten import Flatten
from tinytensor.layers.layer import Layer
from tinytensor.layers.layer_norm import LayerNorm
from tinytensor.layers.linear import Linear as LinearLayer
from tinytensor.layers.perceptron import Perceptron
from tinytensor.layers.prelu import PReLU
from tinytensor.layers.rescale import Rescale as RescaleLayer
from tinytensor.layers.reshape import Reshape
from tinytensor.program import UINT8, Program
from tinytensor.steps import Linear, Map, Pair, Rescale, Softmax, Standardize, Step
from tinytensor.tensor import Tensor

__all__ = ["Stretch", "known_steps", "nested_steps"]

FLOAT32 = FLOATS[0]
SMALL = (np.dtype(np.bool), np.dtype(np.int8), UINT8, np.dtype(np.int16), np.dtype(np.uint16))


class Shape(NamedTuple):
    """A step that changes no number: samples become rows. `features` of them, or any number if None."""

    features: int | None
    vectors: bool  # whether a single sample without a batch axis is left as it is
    flattens: bool = True  # or only rows are taken


AnyStep = Step | Shape


def linear(layer: LinearLayer) -> list[AnyStep]:
    """A Linear's step."""
    return [Linear(layer.weight.numpy(), None if layer.bias is None else layer.bias.numpy())]


def perceptron(layer: Perceptron) -> list[AnyStep] | None:
    """A layer of neurons is a Linear and a Step; a single neuron drops an axis."""
    if layer.weights.ndim != 2:
        return None
    return [Linear(layer.weights.numpy(), layer.bias.numpy()), Map(step.scalar, ())]


def rescale(layer: RescaleLayer) -> list[AnyStep] | None:
    """A Rescale by numbers, or by vectors of one number for each feature."""
    parts = [each.numpy() if isinstance(each, Tensor) else each for each in (layer.scale, layer.offset)]
    if any(isinstance(each, np.ndarray) and (each.ndim != 1 or each.dtype not in FLOATS) for each in parts):
        return None
    return [Rescale(*parts)]


ROWS_ONLY = Shape(None, vectors=False, flattens=False)


def batch_norm(layer: BatchNorm) -> list[AnyStep] | None:
    """(x - mean) · scale + bias, for the features of rows."""
    if layer.axis not in (1, -1):
        return None
    mean, bias = layer.running_mean.numpy(), layer.bias.numpy()
    steps: list[AnyStep] = [
        Pair(arithmetic.subtract, mean, mean.dtype), Pair(arithmetic.multiply, layer.scale(), None),
        Pair(arithmetic.add, bias, bias.dtype),
    ]  # fmt: skip
    return [ROWS_ONLY, *steps] if layer.axis == 1 else steps


def layer_norm(layer: LayerNorm) -> list[AnyStep] | None:
    """Standardized · weight + bias, over the last axis."""
    if layer.weight.ndim != 1:
        return None
    weight = layer.weight.numpy()
    steps: list[AnyStep] = [
        Standardize(len(weight), layer.eps),
        Pair(arithmetic.multiply, weight, weight.dtype),
    ]
    if layer.bias is not None:
        steps.append(Pair(arithmetic.add, layer.bias.numpy(), layer.bias.dtype))
    return steps


def prelu(layer: PReLU) -> list[AnyStep] | None:
    """x where it is not negative, slope · x elsewhere; one slope, or one for each feature of rows."""
    slope = layer.weight.numpy()
    if slope.size == 1:
        return [Pair(arithmetic.negative_scaled, slope.reshape(()), slope.dtype)]
    return [ROWS_ONLY, Pair(arithmetic.negative_scaled, slope, slope.dtype)] if slope.ndim == 1 else None


def reshape(layer: Reshape) -> list[AnyStep] | None:
    """A Reshape that only flattens."""
    if len(layer.shape) != 1:
        return None
    return [Shape(None if layer.shape[0] == -1 else layer.shape[0], vectors=False)]


def softmax(log: bool) -> Callable[[Any], list[AnyStep] | None]:
    """A softmax over the last axis."""
    return lambda layer: [Softmax(log)] if layer.axis == -1 else None


KNOWN: dict[type, Callable[[Any], list[AnyStep] | None]] = {
    LinearLayer: linear,
    Perceptron: perceptron,
    RescaleLayer: rescale,
    BatchNorm: batch_norm,
    LayerNorm: layer_norm,
    PReLU: prelu,
    Reshape: reshape,
    Flatten: lambda layer: [Shape(None, vectors=True)],
    Dropout: lambda layer: [],
    SoftmaxLayer: softmax(log=False),
    LogSoftmaxLayer: softmax(log=True),
}


def known_steps(layer: Layer) -> list[AnyStep] | None:
    """The steps that compute what `layer.forward` does; None if there are none."""
    if "forward" in vars(layer):
        return None
    try:
        steps = steps_of(layer)
    except Exception:  # an attribute is not what it must be: forward says which
        return None
    return steps if steps is None or all(map(is_sound, steps)) else None


def is_sound(step: AnyStep) -> bool:
    """Whether a step's arrays fit each other; what has no elements is left to `forward`."""
    if isinstance(step, Linear):
        weight, bias = step
        fits = weight.ndim == 2 and weight.size > 0 and (bias is None or bias.shape == weight.shape[:1])
        return fits and all(each.dtype in FLOATS for each in step if each is not None)
    return step.features != 0 if isinstance(step, Shape) else 0 not in lengths(step)


def steps_of(layer: Layer) -> list[AnyStep] | None:
    """The same, for a layer whose attributes are what they must be."""
    cls = type(layer)
    if cls in KNOWN:
        return KNOWN[cls](layer)
    if isinstance(layer, Activation) and cls.forward is Activation.forward and hasattr(layer, "scalar"):
        return [Map(layer.scalar, layer.scalar_arguments)]
    return None


def nested_steps(model: Iterable[Layer]) -> list[AnyStep] | None:
    """The steps of all layers of a Sequential inside another."""
    found: list[AnyStep] = []
    for layer in model:
        steps = known_steps(layer)
        if steps is None:
            return None
        found += steps
    return found


def dtypes(step: Step) -> list[np.dtype[Any]]:
    """The dtypes that a step brings along."""
    if isinstance(step, Pair):
        return [] if step.dtype is None else [step.dtype]
    values = step if isinstance(step, Linear | Rescale) else ()
    return [each.dtype for each in values if isinstance(each, np.ndarray)]


def features_of(step: Step) -> int | None:
    """How many features a step takes, if it says so."""
    if isinstance(step, Linear):
        return int(step.weight.shape[1])
    return max(lengths(step), default=None)


def lengths(step: AnyStep) -> set[int]:
    """How many features a step's own vectors have, which must be one number."""
    if isinstance(step, Standardize):
        return {step.features}
    values = step if isinstance(step, Rescale) else (step.constant,) if isinstance(step, Pair) else ()
    return {len(each) for each in values if isinstance(each, np.ndarray) and each.ndim}


def by_element(step: AnyStep) -> bool:
    """Whether a step does not care where one sample's features end."""
    return isinstance(step, Map | Rescale | Pair) and not lengths(step)


class Stretch:
    """The steps of consecutive layers, of which one at least is linear."""

    def __init__(self, steps: Sequence[AnyStep]):
        self.steps = [each for each in steps if not isinstance(each, Shape)]
        shapes = [each for each in steps if isinstance(each, Shape)]
        before = itertools.takewhile(lambda each: not (isinstance(each, Shape) and each.flattens), steps)
        self.flattens = any(each.flattens for each in shapes) and all(map(by_element, before))
        self.any_rank = not shapes
        self.takes_vectors = all(each.vectors for each in shapes)
        self.programs: dict[np.dtype[Any], list[Program]] = {}
        self.features = next(filter(None, map(features_of, self.steps)))

    @staticmethod
    def fits(steps: Sequence[AnyStep]) -> bool:
        """Whether the steps fit each other and one of them is linear."""
        features = None
        for each in steps:
            if len(lengths(each)) > 1:
                return False
            wanted = each.features if isinstance(each, Shape) else features_of(each)
            if None not in (wanted, features) and wanted != features:
                return False
            features = each.weight.shape[0] if isinstance(each, Linear) else wanted or features
        return any(isinstance(each, Linear) for each in steps)

    def programs_for(self, dtype: np.dtype[Any]) -> list[Program]:
        """The programs for samples of float32 or float64; a new one begins where a step promotes."""
        if dtype not in self.programs:
            programs: list[Program] = []
            part: list[Step] = []
            features, current = self.features, dtype
            for each in self.steps:
                promoted = np.result_type(current, *dtypes(each))
                if promoted != current and part:
                    programs.append(Program(part, features, current))
                    features, part = programs[-1].results, []
                part.append(each)
                current = promoted
            self.programs[dtype] = [*programs, Program(part, features, current)]
        return self.programs[dtype]

    def rows(self, shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]] | None:
        """How many rows samples of a shape make, and the outputs' leading axes; None if they do not fit."""
        if len(shape) == 2:
            fits = shape[1] == self.features
            return (shape[0], shape[:1]) if fits else None
        if len(shape) == 1:
            fits = shape[0] == self.features and self.takes_vectors
            return (1, ()) if fits else None
        if self.flattens and len(shape) > 2:
            fits = int(np.prod(shape[1:], dtype=object)) == self.features
            return (shape[0], shape[:1]) if fits else None
        if self.any_rank and len(shape) > 2 and shape[-1] == self.features:
            return int(np.prod(shape[:-1], dtype=object)), shape[:-1]
        return None

    def program_dtype(self, x: Array, tensor: bool) -> np.dtype[Any] | None:
        """What the first layer makes of the dtype of x; None if that depends on the layer."""
        native = x.dtype.newbyteorder("=")
        if native in FLOATS:
            return native
        return FLOAT32 if not tensor or native in SMALL else None

    def run(self, x: Array, tensor: bool, threads: int, out: Array | None = None) -> Array | None:
        """The outputs, in `out` if that is given and fits; None if x is not what the programs take."""
        dtype, rows = self.program_dtype(x, tensor), self.rows(x.shape)
        if dtype is None or rows is None:
            return None
        try:
            first, *others = self.programs_for(dtype)
        except TinyTensorError:  # a user's function does not compile; layer by layer it says which
            return None
        count, leading = rows
        last = others[-1] if others else first
        y = x
        for each in (first, *others):
            shape = (*leading, each.results)
            target = out if each is last and out is not None else None
            if target is None or target.shape != shape or not each.writes(target):
                target = np.empty(shape, each.dtype)
            try:
                each.apply(y, target.reshape(count, each.results), threads)
            except KernelRaised:  # layer by layer a user's function raises what it raised here
                return None
            y = target
        return y
