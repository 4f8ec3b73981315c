"""The way to PyTorch, and the modules that `torch.nn` lacks; importing this imports PyTorch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tinytensor import activations as a
from tinytensor.errors import UnsupportedOp
from tinytensor.layers import rescale
from tinytensor.layers.avg_pool import AdaptiveAvgPool2d, AvgPool1d, AvgPool2d
from tinytensor.layers.batch_norm import BatchNorm
from tinytensor.layers.conv import Conv1d, Conv2d
from tinytensor.layers.conv_transpose import ConvTranspose2d
from tinytensor.layers.dropout import Dropout
from tinytensor.layers.embedding import Embedding
from tinytensor.layers.flatten import Flatten
from tinytensor.layers.layer import Layer
from tinytensor.layers.layer_norm import LayerNorm
from tinytensor.layers.linear import Linear
from tinytensor.layers.max_pool import MaxPool1d, MaxPool2d
from tinytensor.layers.pad import Pad
from tinytensor.layers.prelu import PReLU
from tinytensor.layers.reshape import Reshape
from tinytensor.layers.sequential import Sequential
from tinytensor.layers.upsample import Upsample
from tinytensor.operators import activations as other
from tinytensor.tensors import Tensor

__all__ = ["Rescale", "SpatialPad", "Step", "Swish", "exported"]


class Rescale(nn.Module):
    """y = x · scale + offset."""

    scale: Any
    offset: Any

    def __init__(self, scale: float | torch.Tensor, offset: float | torch.Tensor):
        super().__init__()
        for name, value in (("scale", scale), ("offset", offset)):
            if isinstance(value, torch.Tensor):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """X · scale + offset; integers as float32."""
        return (x if x.is_floating_point() else x.float()) * self.scale + self.offset


class Step(nn.Module):
    """y = 0 if x ≤ 0 else 1; NaN stays."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zeros and ones."""
        return torch.where(x.isnan(), x, (x > 0).to(x.dtype))


class Swish(nn.Module):
    """y = x · sigmoid(beta · x)."""

    def __init__(self, beta: float):
        super().__init__()
        self.beta = beta

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """X · sigmoid(beta · x)."""
        return x * torch.sigmoid(self.beta * x)


class SpatialPad(nn.Module):
    """As many elements on both sides of all spatial axes, of images or of sequences."""

    def __init__(self, count: int, mode: str, value: float):
        super().__init__()
        self.count, self.mode, self.value = count, mode, value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """X with a border."""
        value = self.value if self.mode == "constant" else None
        return nn.functional.pad(x, (self.count,) * 2 * (x.ndim - 2), self.mode, value)


def exported(layer: Layer, images: bool = False) -> nn.Module:
    """The module of a layer, whose input are images if a layer before it, or right after it, says so.

    Raises:
        UnsupportedOp: there is none.
    """
    if isinstance(layer, Sequential):
        modules, children = nn.Sequential(), layer.children()
        kinds = [*map(type, children.values()), None]
        for (name, child), after in zip(children.items(), kinds[1:], strict=True):
            images = type(child) in IMAGES or (images and type(child) not in FLAT)
            try:
                modules.add_module(name, exported(child, images or after in IMAGES))
            except UnsupportedOp as error:
                raise UnsupportedOp(f"{name}: {error}") from error
        return modules
    if type(layer) not in TO:
        raise UnsupportedOp(f"{layer!r:.200}: PyTorch has no module for it")
    if getattr(layer, "channels_last", False):
        raise UnsupportedOp(f"{layer!r:.200}: PyTorch's modules of images take channels first")
    if images and isinstance(layer, BatchNorm):
        return batch_norm(layer, nn.BatchNorm2d)
    if not images and isinstance(layer, Pad) and not isinstance(layer.padding, tuple):
        mode = {"edge": "replicate"}.get(layer.mode, layer.mode)
        return SpatialPad(layer.padding, mode, layer.value)
    return TO[type(layer)](layer)


def tensor(values: Tensor | None) -> Any:
    """A tensor of PyTorch's, with memory of its own."""
    return None if values is None else torch.from_numpy(values.numpy().copy())


def with_values(module: nn.Module, **values: Tensor | None) -> nn.Module:
    """A module with other parameters and buffers, of the dtype that they have."""
    for name, value in values.items():
        if value is not None:
            former = getattr(module, name)
            new = tensor(value)
            setattr(module, name, nn.Parameter(new) if isinstance(former, nn.Parameter) else new)
    return module


def linear(layer: Any) -> nn.Module:
    """(out, in) on both sides."""
    module = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
    return with_values(module, weight=layer.weight, bias=layer.bias)


def batch_norm(layer: Any, kind: Any = nn.BatchNorm1d) -> nn.Module:
    """Its features are along axis 1."""
    features = layer.weight.shape[0]
    if layer.axis != 1:
        raise UnsupportedOp(f"{layer!r:.200}: PyTorch's BatchNorm has the features along axis 1")
    return with_values(kind(features, layer.eps), **layer.parameters())


def layer_norm(layer: Any) -> nn.Module:
    """Over the axes that the weight has."""
    module = nn.LayerNorm(layer.weight.shape, layer.eps, bias=layer.bias is not None)
    return with_values(module, weight=layer.weight, bias=layer.bias)


def symmetric(layer: Any) -> Any:
    """A padding that PyTorch's modules take: the same on both sides, or "same" for a stride of 1."""
    same = layer.padding == "same" and layer.stride in (1, None)
    sides = layer.padding if isinstance(layer.padding, tuple) else ()
    if (layer.padding == "same" and not same) or any(isinstance(each, tuple) for each in sides):
        raise UnsupportedOp(f"{layer!r:.200}: PyTorch pads both sides alike; put a Pad in front")
    return layer.padding


def convolution(layer: Any) -> nn.Module:
    """(out, in / groups, …) on both sides."""
    config = layer.config()
    del config["channels_last"]
    module = getattr(nn, type(layer).__name__)(**config | {"padding": symmetric(layer)}, device="meta")
    return with_values(module, weight=layer.weight, bias=layer.bias)


def pooling(layer: Any) -> nn.Module:
    """The arguments have the same names on both sides."""
    config = layer.config()
    del config["channels_last"]
    if layer.padding == "same":
        raise UnsupportedOp(f'{layer!r:.200}: PyTorch\'s pooling has no padding "same"; put a Pad in front')
    module: nn.Module = getattr(nn, type(layer).__name__)(**config | {"padding": symmetric(layer)})
    return module


def padding(layer: Any) -> nn.Module:
    """The sides from the last axis on."""
    pairs = layer.padding if isinstance(layer.padding, tuple) else (layer.padding,) * 2
    pairs = tuple(each if isinstance(each, tuple) else (each, each) for each in pairs)
    sides = tuple(n for pair in pairs[::-1] for n in pair)
    kind = {"constant": "ConstantPad", "reflect": "ReflectionPad", "edge": "ReplicationPad"}[layer.mode]
    arguments = (layer.value,) if layer.mode == "constant" else ()
    module: nn.Module = getattr(nn, f"{kind}{len(pairs)}d")(sides, *arguments)
    return module


def embedding(layer: Any) -> nn.Module:
    """(rows, features) on both sides."""
    return with_values(nn.Embedding(*layer.weight.shape, device="meta"), weight=layer.weight)


def upsample(layer: Any) -> nn.Module:
    """PyTorch wants no align_corners for the nearest pixel."""
    corners = layer.align_corners if layer.mode == "bilinear" else None
    return nn.Upsample(layer.size, layer.scale_factor, layer.mode, corners)


IMAGES = (Conv2d, ConvTranspose2d, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d, Upsample)
FLAT = (Conv1d, MaxPool1d, AvgPool1d, Flatten, Linear, Reshape, Embedding)
TO: dict[type, Callable[[Any], nn.Module]] = {
    AdaptiveAvgPool2d: lambda layer: nn.AdaptiveAvgPool2d(layer.output_size),
    AvgPool1d: pooling,
    AvgPool2d: pooling,
    BatchNorm: batch_norm,
    Conv1d: convolution,
    Conv2d: convolution,
    ConvTranspose2d: convolution,
    Dropout: lambda layer: nn.Dropout(layer.p),
    Embedding: embedding,
    Flatten: lambda layer: nn.Flatten(),
    LayerNorm: layer_norm,
    Linear: linear,
    MaxPool1d: pooling,
    MaxPool2d: pooling,
    Pad: padding,
    PReLU: lambda layer: with_values(nn.PReLU(layer.weight.size), weight=layer.weight),
    Reshape: lambda layer: nn.Sequential(nn.Flatten(), nn.Unflatten(1, layer.shape)),
    rescale.Rescale: lambda layer: Rescale(number_or_tensor(layer.scale), number_or_tensor(layer.offset)),
    Upsample: upsample,
    a.ELU: lambda layer: nn.ELU(layer.alpha),
    a.GELU: lambda layer: nn.GELU(layer.approximate),
    a.HardSigmoid: lambda layer: nn.Hardsigmoid(),
    a.HardSwish: lambda layer: nn.Hardswish(),
    a.Identity: lambda layer: nn.Identity(),
    a.LeakyReLU: lambda layer: nn.LeakyReLU(layer.negative_slope),
    a.LogSoftmax: lambda layer: nn.LogSoftmax(layer.axis),
    a.Mish: lambda layer: nn.Mish(),
    a.ReLU: lambda layer: nn.ReLU(),
    a.SELU: lambda layer: nn.SELU(),
    a.Sigmoid: lambda layer: nn.Sigmoid(),
    a.Softmax: lambda layer: nn.Softmax(layer.axis),
    a.Softplus: lambda layer: nn.Softplus(),
    a.Step: lambda layer: Step(),
    a.Swish: lambda layer: nn.SiLU() if layer.beta == 1 else Swish(layer.beta),
    a.Tanh: lambda layer: nn.Tanh(),
    other.CELU: lambda layer: nn.CELU(layer.alpha),
    other.Clip: lambda layer: nn.Hardtanh(layer.low, layer.high),
    other.Softsign: lambda layer: nn.Softsign(),
    other.ThresholdedReLU: lambda layer: nn.Threshold(layer.alpha, 0.0),
}


def number_or_tensor(value: Any) -> Any:
    """A number as it is, a Tensor as PyTorch's."""
    return value if isinstance(value, float) else tensor(value)
