"""PyTorch: Sequential modules as objects, both ways."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinytensor import activations as a
from tinytensor.errors import DtypeError, UnsupportedOp, require
from tinytensor.io.torch_images import modules_of_images
from tinytensor.io.torch_reading import compare, kind_of, refresh, refuse_unreadable
from tinytensor.kernels.boundary import Array
from tinytensor.layers.batch_norm import BatchNorm
from tinytensor.layers.dropout import Dropout
from tinytensor.layers.flatten import Flatten
from tinytensor.layers.layer import Layer
from tinytensor.layers.layer_norm import LayerNorm
from tinytensor.layers.linear import Linear
from tinytensor.layers.pad import Pad
from tinytensor.layers.prelu import PReLU
from tinytensor.layers.rescale import Rescale
from tinytensor.layers.reshape import Reshape
from tinytensor.layers.sequential import Sequential
from tinytensor.operators import activations as other

__all__ = ["array", "from_torch", "to_torch"]

EXTRA = "torch"


def from_torch(module: Any, example: Any = None) -> Sequential:
    """The model that computes what a `torch.nn.Sequential`, nested or not, or one of its layers computes.

    The weights are copied as they are in effect: tied layers, a module that stands twice, `weight_norm`,
    `spectral_norm`, `prune` and parametrizations included. float16 and bfloat16 become float32. At the end
    both run on a few random samples and have to agree but for rounding.

    Args:
        module: in eval mode, if it has layers that compute something else in training.
        example: samples to compare on, where what can be drawn does not fit the module.

    Raises:
        UnsupportedOp: a module that tinytensor has no layer for, has hooks, or is in training mode; says
            which, and what would help. Or the outputs differ.
        DtypeError: something is no module.
        MissingExtra: PyTorch is not installed.
    """
    torch = require("torch", EXTRA)
    if not isinstance(module, torch.nn.Module):
        file = isinstance(module, str | os.PathLike | Mapping)
        hint = "; weights go into a model by tt.load_weights(model, weights)" if file else ""
        raise DtypeError(f"from_torch: expected a torch.nn.Module, got {module!r:.80}{hint}")
    refuse_unreadable(module)
    with torch.no_grad():
        layer = imported(module, torch.nn, "")
    compare(layer, module, torch, example)
    return layer if isinstance(layer, Sequential) else Sequential(layer)


def imported(module: Any, nn: Any, where: str) -> Layer:
    """One module, with those inside it."""
    kind = kind_of(module)
    if isinstance(module, nn.Sequential) and kind.forward is nn.Sequential.forward:
        children = module._modules.items()  # named_children() leaves out what stands there again
        layers = [(name, imported(child, nn, f"{where}{name}.")) for name, child in children]
        return Sequential(*(layer if name.isdigit() else (name, layer) for name, layer in layers))
    name = kind.__name__
    if getattr(nn, name, None) is kind and name in FROM:
        refresh(module)
        layer = FROM[name](module)
        if layer is not None:
            return layer
    elif name in OURS and kind.__module__ == OURS_MODULE:
        return OURS[name](module)
    raise UnsupportedOp(
        f"{where.rstrip('.') or 'the module'}: {module!r:.200}: tinytensor has no such layer; other layers "
        "would help, a Layer of your own, or the way over ONNX: torch.onnx.export, then tt.load"
    )


def array(tensor: Any) -> Array | None:
    """A read-only copy of a tensor's values, of halves as float32."""
    if tensor is None:
        return None
    detached = tensor.detach().cpu()
    values = np.array((detached if detached.element_size() > 2 else detached.float()).numpy())
    values.flags.writeable = False  # else a layer would copy it once more
    return values


def ones(tensor: Any, like: Any) -> Array:
    """A tensor's values, or ones where it has none."""
    values = array(tensor)
    return np.ones_like(array(like)) if values is None else values


def zeros(tensor: Any, like: Any) -> Array:
    """A tensor's values, or zeros where it has none."""
    values = array(tensor)
    return np.zeros_like(array(like)) if values is None else values


def batch_norm(m: Any) -> Layer | None:
    """Without the statistics of training it would depend on the batch."""
    if m.running_mean is None:
        return None
    mean, var = array(m.running_mean), array(m.running_var)
    return BatchNorm(ones(m.weight, m.running_mean), zeros(m.bias, m.running_mean), mean, var, m.eps)


def layer_norm(m: Any) -> Layer:
    """Without affine parameters the weight is 1."""
    weight = np.ones(m.normalized_shape, np.float32) if m.weight is None else array(m.weight)
    return LayerNorm(weight, array(m.bias), m.eps)


FROM: dict[str, Callable[[Any], Layer | None]] = modules_of_images(array) | {
    "AlphaDropout": lambda m: Dropout(m.p),
    "BatchNorm1d": batch_norm,
    "BatchNorm2d": batch_norm,
    "BatchNorm3d": batch_norm,
    "CELU": lambda m: other.celu(alpha=m.alpha),
    "Dropout": lambda m: Dropout(m.p),
    "Dropout1d": lambda m: Dropout(m.p),
    "Dropout2d": lambda m: Dropout(m.p),
    "ELU": lambda m: a.elu(alpha=m.alpha),
    "Flatten": lambda m: Flatten() if (m.start_dim, m.end_dim) == (1, -1) else None,
    "GELU": lambda m: a.GELU(m.approximate),
    "Hardsigmoid": lambda m: a.hard_sigmoid,
    "Hardswish": lambda m: a.hard_swish,
    "Hardtanh": lambda m: other.clip(low=m.min_val, high=m.max_val),
    "Identity": lambda m: a.identity,
    "LayerNorm": layer_norm,
    "LeakyReLU": lambda m: a.leaky_relu(negative_slope=m.negative_slope),
    "Linear": lambda m: Linear.of(array(m.weight), array(m.bias)),
    "LogSoftmax": lambda m: None if m.dim is None else a.LogSoftmax(m.dim),
    "Mish": lambda m: a.mish,
    "PReLU": lambda m: PReLU(array(m.weight)),
    "ReLU": lambda m: a.relu,
    "ReLU6": lambda m: other.clip(low=0.0, high=6.0),
    "SELU": lambda m: a.selu,
    "SiLU": lambda m: a.swish,
    "Sigmoid": lambda m: a.sigmoid,
    "Softmax": lambda m: None if m.dim is None else a.Softmax(m.dim),
    "Softplus": lambda m: a.softplus if m.beta == 1 else None,
    "Softsign": lambda m: other.softsign,
    "Tanh": lambda m: a.tanh,
    "Threshold": lambda m: other.thresholded_relu(alpha=m.threshold) if m.value == 0 else None,
    "Unflatten": lambda m: Reshape(tuple(m.unflattened_size)) if m.dim == 1 else None,
}

OURS_MODULE = "tinytensor.io.torch_modules"
OURS: dict[str, Callable[[Any], Layer]] = {
    "Rescale": lambda m: Rescale(number_or_array(m.scale), number_or_array(m.offset)),
    "SpatialPad": lambda m: Pad(m.count, {"replicate": "edge"}.get(m.mode, m.mode), m.value),
    "Step": lambda m: a.step,
    "Swish": lambda m: a.swish(beta=m.beta),
}


def number_or_array(value: Any) -> Any:
    """A Python number as it is, a tensor as an array."""
    return value if isinstance(value, float) else array(value)


def to_torch(model: Layer) -> Any:
    """Export a model as a `torch.nn.Sequential` in eval mode, nested where the model is.

    All of it is float64 if one of the model's parameters is, as PyTorch does not promote.

    Its state dict has the names of the model's. Rescale, SpatialPad, Step and Swish with a beta, which
    `torch.nn` lacks, are modules of `tinytensor.io.torch_modules`.

    Raises:
        UnsupportedOp: a layer that PyTorch has no module for.
        MissingExtra: PyTorch is not installed.
    """
    require("torch", EXTRA)
    from tinytensor.io.torch_modules import exported

    module = exported(model if isinstance(model, Sequential) else Sequential(model)).eval()
    wide = any(values.dtype == np.float64 for values in model.parameters().values())
    return module.double() if wide else module
