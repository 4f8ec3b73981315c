"""Layers on bytes and in float32 for the steps of a model, wired by names."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytensor.activations import ReLU
from tinytensor.errors import UnsupportedOp
from tinytensor.kernels.boundary import Array
from tinytensor.layers.global_pool import GlobalMaxPool2d
from tinytensor.layers.layer import Layer
from tinytensor.layers.lookup import Lookup
from tinytensor.layers.operator import Constant
from tinytensor.layers.pad import Pad
from tinytensor.layers.quantize import Dequantize, Quantize
from tinytensor.layers.quantized_add import QuantizedAdd
from tinytensor.layers.quantized_avg_pool import QuantizedAvgPool2d, QuantizedGlobalAvgPool2d
from tinytensor.layers.quantized_conv import QuantizedConv2d
from tinytensor.layers.quantized_linear import QuantizedLinear
from tinytensor.operators.activations import Clip
from tinytensor.primitives.definition import Symbol
from tinytensor.quantization.domains import Domains, table_of
from tinytensor.quantization.float_layers import layer_of, window_of
from tinytensor.quantization.ranges import Scale
from tinytensor.quantization.steps import EVERYTHING, Step

__all__ = ["Emission", "Placed"]

MOST_BIAS = 2**30 - 2**17  # beside MOST_TERMS products, so that no sum overflows
LEAST, MOST = 1e-35, 1e30  # of a weight's scale


@dataclass
class Placed:
    """A layer of the new model.

    Attributes:
        name: the layer of the old model that it comes from; empty for one in between.
        layer: the layer.
        reads: the names of the values that it reads.
        defines: the names of the values that it defines.
        value: the value of the old model that its result stands for.
        scale: what the bytes of the result stand for; None for float32.
        step: what it computes; None for one in between.
    """

    name: str
    layer: Layer
    reads: tuple[str, ...]
    defines: tuple[str, ...]
    value: Symbol | None = None
    scale: Scale | None = None
    step: Step | None = None


@dataclass
class Emission:
    """Writes the layers, in the order of the steps."""

    domains: Domains
    scales: dict[int, Scale]
    ends: frozenset[int]
    placed: list[Placed] = field(default_factory=list)
    bytes_: dict[int, str] = field(default_factory=dict)
    floats: dict[int, str] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)  # calls that have been written as they are

    def put(
        self, name: str, layer: Layer, reads: Sequence[str], value: Symbol, scale: Scale | None, step: Any
    ) -> str:  # fmt: skip
        """One more layer; the name of its result."""
        defined = f"v{len(self.placed) + 1}"
        self.placed.append(Placed(name, layer, tuple(reads), (defined,), value, scale, step))
        (self.floats if scale is None else self.bytes_)[value.index] = defined
        return defined

    def as_bytes(self, value: Symbol) -> str:
        """The name of a value on bytes."""
        if value.index not in self.bytes_:
            scale = self.scales[value.index]
            layer = Quantize(scale.step, scale.zero_point)
            self.put("", layer, [self.floats[value.index]], value, scale, None)
        return self.bytes_[value.index]

    def as_floats(self, value: Symbol) -> str:
        """The name of a value in float32."""
        if value.index not in self.floats:
            scale = self.scales[value.index]
            self.put(
                "", Dequantize(scale.step, scale.zero_point), [self.bytes_[value.index]], value, None, None
            )
        return self.floats[value.index]

    def is_read_as_bytes(self, value: Symbol) -> bool:
        """Whether a step on bytes reads a value."""
        return any(self.domains.is_on_bytes(each) for each in self.domains.readers.get(value.index, ()))

    def step(self, step: Step) -> None:
        """Write a step."""
        if step.kind == "float" or not self.domains.is_on_bytes(step):
            self.in_float32(step)
        else:
            getattr(self, f"write_{step.kind}")(step)

    # On bytes

    def output(self, step: Step) -> dict[str, Any]:
        """How a result becomes bytes; nothing where only float32 is read of it."""
        if not self.is_read_as_bytes(step.output):
            return {}
        scale = self.scales[step.output.index]
        low, high = step.clip
        return {
            "output_scale": scale.step, "output_zero_point": scale.zero_point,
            "low": scale.byte(low) if low > -math.inf else 0,
            "high": scale.byte(high) if high < math.inf else 255,
        }  # fmt: skip

    def write_sum(self, step: Step) -> None:
        """A product or a convolution."""
        assert step.node is not None
        assert step.weight is not None
        assert step.bias is not None
        (x,) = step.inputs
        read, here, output = self.as_bytes(x), self.scales[x.index], self.output(step)
        weight, bias, scale = quantized(step.weight, step.bias, here.step)
        given: dict[str, Any] = {
            "weight_scale": scale, "input_scale": here.step, "input_zero_point": here.zero_point, **output
        }  # fmt: skip
        if step.node.primitive.name == "convolve":
            names = ("stride", "dilation", "groups", "channels_last")
            given |= {key: step.node.parameters[key] for key in names} | {"padding": step.padding}
            layer: Layer = QuantizedConv2d(weight, bias, **given)
        else:
            layer = QuantizedLinear(weight, bias, **given)
        there = self.scales[step.output.index] if output else None
        if output or step.clip == EVERYTHING:
            self.put(step.name, layer, [read], step.output, there, step)
            return
        name = self.put("", layer, [read], step.output, None, None)
        bound: Layer = ReLU() if step.clip == (0, math.inf) else Clip(*step.clip)
        self.put(step.name, bound, [name], step.output, None, step)

    def write_add(self, step: Step) -> None:
        """The sum of two values."""
        reads = [self.as_bytes(each) for each in step.inputs]
        scales = [self.scales[each.index] for each in step.inputs]
        output = self.output(step)
        layer = QuantizedAdd([each.step for each in scales], [each.zero_point for each in scales], **output)
        self.put(step.name, layer, reads, step.output, self.scales[step.output.index], step)

    def write_mean(self, step: Step) -> None:
        """The means of windows, or of images."""
        assert step.node is not None
        (x,) = step.inputs
        read, here, output = self.as_bytes(x), self.scales[x.index], self.output(step)
        given = {"input_scale": here.step, "input_zero_point": here.zero_point, **output}
        shape = global_pool(step)
        layer: Layer
        if shape is None:
            layer = QuantizedAvgPool2d(**window_of(step.node), **given)
        else:
            layer = QuantizedGlobalAvgPool2d(*shape, **given)
        self.put(
            step.name, layer, [read], step.output, self.scales[step.output.index] if output else None, step
        )

    def write_max(self, step: Step) -> None:
        """The largest of windows, or of images."""
        assert step.node is not None
        shape = global_pool(step)
        layer = layer_of(step.node) if shape is None else GlobalMaxPool2d(*shape)
        assert layer is not None
        self.put(
            step.name,
            layer,
            [self.as_bytes(step.inputs[0])],
            step.output,
            self.scales[step.output.index],
            step,
        )

    def write_pad(self, step: Step) -> None:
        """The byte of a constant around images."""
        assert step.node is not None
        scale, layer = self.scales[step.output.index], layer_of(step.node)
        assert isinstance(layer, Pad)
        value = float(scale.byte(layer.value))
        layer = Pad(layer.padding, value=value, channels_last=layer.channels_last)
        self.put(step.name, layer, [self.as_bytes(step.inputs[0])], step.output, scale, step)

    def write_table(self, step: Step) -> None:
        """A function of one value, or nothing where the bytes stay what they are."""
        assert step.root is not None
        here, there = self.scales[step.root.index], self.scales[step.output.index]
        if self.domains.fixed.get(self.domains.top(step.output.index)) is not None:
            self.bytes_[step.output.index] = self.as_bytes(step.root)
            return
        if step.output.index not in self.ends and not any(
            each.kind != "table" or not self.domains.is_on_bytes(each)
            for each in self.domains.readers.get(step.output.index, ())
        ):
            return  # part of a longer function
        table = table_of(step, here)
        bytes_ = np.clip(np.rint(table / there.step) + there.zero_point, 0, 255).astype(np.uint8)
        names = [called(node) for node in step.region]
        layer = Lookup(bytes_, " ".join(dict.fromkeys(names)))
        self.put(step.name, layer, [self.as_bytes(step.root)], step.output, there, step)

    def write_move(self, step: Step) -> None:
        """Elements at other places."""
        assert step.node is not None
        if step.node.primitive.name == "cast":
            self.bytes_[step.output.index] = self.as_bytes(step.inputs[0])
            return
        layer = layer_of(step.node)
        assert layer is not None  # steps_of keeps other moves in float32
        reads = [self.as_bytes(each) for each in step.inputs]
        self.put(step.name, layer, reads, step.output, self.scales[step.output.index], step)

    # In float32

    def in_float32(self, step: Step) -> None:
        """The call of a layer as it is, or a layer for a node of a larger forward."""
        call = step.call
        if call is None or id(call) in self.whole:
            return
        if step.kind == "float" or (call.path and not call.inner and self.is_free(step)):
            self.whole.add(id(call))
            self.write_call(step)
            return
        assert step.node is not None
        value = step.node.result
        if step.node.primitive.name == "cast":
            self.floats[value.index] = self.as_floats(step.inputs[0])
            return
        for node in step.own:
            layer = layer_of(node)
            if layer is None:
                raise UnsupportedOp(f"quantize: {step.name}: {node.primitive.name} has no layer in float32")
            self.put(
                step.name, layer, [self.as_floats(each) for each in node.symbols], node.result, None, step
            )

    def is_free(self, step: Step) -> bool:
        """Whether no step of the same call is on bytes."""
        return not any(
            each.call is step.call and self.domains.is_on_bytes(each) for each in self.domains.steps
        )

    def write_call(self, step: Step) -> None:
        """The layer itself, with all that it reads."""
        call = step.call
        assert call is not None
        reads = []
        for each in call.given:
            if each is None:
                reads.append("")
            elif isinstance(each._array, Symbol):
                reads.append(self.as_floats(each._array))
            else:
                constant = f"c{len(self.placed) + 1}"
                self.placed.append(Placed("", Constant(each), (), (constant,)))
                reads.append(constant)
        defined = [f"v{len(self.placed) + 1}{'abcdefgh'[i] if i else ''}" for i in range(len(call.found))]
        first = call.found[0]._array
        layer = copy.deepcopy(call.layer) if call.layer.parameters() else call.layer
        self.placed.append(Placed(step.name, layer, tuple(reads), tuple(defined), first, None, step))
        for each, name in zip(call.found, defined, strict=True):
            self.floats[each._array.index] = name


def global_pool(step: Step) -> tuple[bool, bool] | None:
    """Whether the axes stay and whether channels are last, if a window is the whole image."""
    node = step.node
    assert node is not None
    if node.primitive.name == "mean":
        last = sorted(each % 4 for each in node.parameters["axis"]) == [1, 2]
        return bool(node.parameters["keepdims"]), last
    x, last = node.symbols[0].sample, node.parameters["channels_last"]
    lengths = x[:2] if last else x[1:]
    pixels = node.result.sample[:2] if last else node.result.sample[1:]
    padding = node.parameters.get("padding", ((0, 0), (0, 0)))
    whole = node.parameters["size"] == lengths and pixels == (1, 1) and not any(map(any, padding))
    return (len(step.own) == 1, last) if whole else None


def called(node: Any) -> str:
    """What a node of a table is called."""
    function = node.parameters.get("function")
    return str(getattr(function, "__name__", node.primitive.name))


def quantized(weight: Array, bias: Array, input_scale: float) -> tuple[Array, Array, Array]:
    """Weights as int8 with a scale for each output, and the bias in units of its products.

    A scale is as large as the bias needs it, too: beside one that is large, small weights do not matter.
    """
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    scale = np.maximum(largest / 127, np.abs(bias) / (input_scale * MOST_BIAS))
    scale = np.where(scale == 0, 1.0, np.clip(scale, LEAST, MOST)).astype(np.float32)
    wide = scale.astype(np.float64)
    steps = np.rint(weight / wide.reshape(-1, *[1] * (weight.ndim - 1)))
    offsets = np.rint(bias / (input_scale * wide))
    return (
        np.clip(steps, -127, 127).astype(np.int8),
        np.clip(offsets, -MOST_BIAS, MOST_BIAS).astype(np.int32),
        scale,
    )
