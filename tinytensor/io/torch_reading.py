"""PyTorch modules as they compute now: effective weights, what is refused, and a comparison at the end."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.io.rounding import bound_of
from tinytensor.layers.layer import Layer
from tinytensor.tensors import Tensor

__all__ = ["compare", "kind_of", "refresh", "refuse_unreadable"]

ROWS = 4
SIZES = (8, 28, 32, 64, 96, 224)  # of images, in pixels
REPARAMETRIZED = ("torch.nn.utils.weight_norm", "torch.nn.utils.spectral_norm", "torch.nn.utils.prune")
TRAINED_OTHERWISE = ("Dropout", "AlphaDropout", "FeatureAlphaDropout", "BatchNorm", "SpectralNorm")


def kind_of(module: Any) -> Any:
    """The class of a module, of a parametrized one the class that it had before."""
    kind = type(module)
    is_parametrized = kind.__name__.startswith("Parametrized") and "parametrizations" in module._modules
    return kind.__mro__[1] if is_parametrized else kind


def own_hooks(module: Any) -> list[Any]:
    """The hooks by which PyTorch's own utilities compute a weight before each call."""
    return [each for each in module._forward_pre_hooks.values() if is_own(each)]


def is_own(hook: Any) -> bool:
    """Whether the hook is one of those utilities."""
    return any(each.__module__ in REPARAMETRIZED for each in type(hook).__mro__)


def refuse_unreadable(module: Any) -> None:
    """Raise if the module computes, by hooks or in training mode, something else than its layers say.

    Raises:
        UnsupportedOp: names the module.
    """
    for name, each in module.named_modules():
        who = f"{name or 'the module'}: {each!r:.200}"
        hooks = [*each._forward_hooks.values(), *each._forward_pre_hooks.values()]
        others = [hook for hook in hooks if not is_own(hook)]
        if others:
            called = getattr(others[0], "__qualname__", type(others[0]).__qualname__)
            raise UnsupportedOp(f"{who}: has the hook {called}, whose effect is not known; remove it before")
        if "forward" in vars(each):
            raise UnsupportedOp(f"{who}: has a forward of its own, set on the object")
        if each.training and trains_otherwise(each):
            raise UnsupportedOp(
                f"{who}: is in training mode, in which it computes something else; call module.eval() before"
            )


def trains_otherwise(module: Any) -> bool:
    """Whether a module in training mode computes something else than in eval mode."""
    names = [type(module).__name__.strip("_").rstrip("123d"), *(type(h).__name__ for h in own_hooks(module))]
    return any(name in TRAINED_OTHERWISE for name in names) and getattr(module, "p", 1) != 0


def refresh(module: Any) -> None:
    """Let PyTorch's own hooks compute the weights, as they do before each call."""
    for hook in own_hooks(module):
        hook(module, ())


def compare(layer: Layer, module: Any, torch: Any, example: Any) -> None:
    """Raise unless both give the same for a few samples, but for rounding.

    Raises:
        UnsupportedOp: they differ by more, or the module cannot be called.
    """
    first = next(module.parameters(), torch.zeros(()))
    if example is None:
        drawn = np.random.default_rng(0).standard_normal((ROWS, *sample_shape(module, torch)))
        rows = first_rows(module)
        if rows:  # indices
            drawn = np.floor(np.random.default_rng(0).uniform(0, rows, (ROWS, 4)))
        x = torch.from_numpy(drawn).to(
            torch.int64 if rows else first.dtype if first.is_floating_point() else torch.float32
        )
    else:
        x = torch.as_tensor(np.asarray(example))
    try:
        with torch.no_grad():
            theirs = module(x.to(first.device)).detach().cpu().double().numpy()
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError) as error:
        raise UnsupportedOp(
            f"from_torch: the module cannot be called with {x.dtype} {tuple(x.shape)} to compare it: "
            f"{str(error)[:200]}; pass samples that it takes: tt.from_torch(module, example=x)"
        ) from error
    values = x.double().numpy() if x.dtype == torch.float64 else x.float().numpy()
    sample = Tensor(values, values.dtype)
    ours = layer(sample).numpy().astype(np.float64)
    unit = torch.finfo(x.dtype).eps / 2 if x.is_floating_point() else 2.0**-24
    bound = 2 * bound_of(layer, sample, max(unit, np.finfo(values.dtype).eps / 2))
    if ours.shape != theirs.shape:
        raise UnsupportedOp(f"from_torch: the module gives {theirs.shape}, what was read {ours.shape}")
    with np.errstate(invalid="ignore"):
        wrong = ~((np.abs(ours - theirs) <= bound) | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    if wrong.any():
        raise UnsupportedOp(
            f"from_torch: the module computes something else than its layers say: on random samples, values "
            f"differ by {np.abs(ours - theirs)[wrong].max():.3g}, where rounding explains "
            f"{bound[wrong].max():.3g}"
        )


def first_rows(module: Any) -> int:
    """The rows of an Embedding that a module begins with, or 0."""
    for each in walked(module):
        if not each._modules:
            return int(each.num_embeddings) if kind_of(each).__name__ == "Embedding" else 0
    return 0


def image_shape(module: Any, torch: Any, channels: int, axes: int) -> tuple[int, ...]:
    """The first of a few sizes of images that a module can be called with."""
    first = next(module.parameters(), torch.zeros(()))
    for size in SIZES:
        shape = (channels, *(size,) * axes)
        try:
            with torch.no_grad():
                module(torch.zeros((1, *shape), dtype=first.dtype, device=first.device))
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
            continue
        return shape
    return (channels, *(SIZES[0],) * axes)


def sample_shape(module: Any, torch: Any) -> tuple[int, ...]:
    """The shape of a sample that the layers of a module take, by the first that says so."""
    leaves = [each for each in walked(module) if not each._modules or kind_of(each) is not type(each)]
    channels, axes = 0, 0
    for each in leaves:
        name = kind_of(each).__name__
        if name in ("Conv1d", "Conv2d", "ConvTranspose2d"):
            return image_shape(module, torch, each.in_channels, 1 if name == "Conv1d" else 2)
        if name.endswith(("Pool1d", "Pool2d", "Pad1d", "Pad2d")) or name.startswith("Upsampl"):
            return image_shape(module, torch, channels or 3, 1 if name.endswith("1d") else 2)
        if name in ("BatchNorm2d", "BatchNorm3d") and not channels:
            channels, axes = each.num_features, 2 if name == "BatchNorm2d" else 3
        elif name == "Linear" and channels:
            return (channels, max(1, each.in_features // channels), *(1,) * (axes - 1))
        elif name == "Linear":
            return (each.in_features,)
        elif name == "BatchNorm1d":
            return (each.num_features,)
        elif name == "LayerNorm":
            return tuple(each.normalized_shape)
        elif name == "Unflatten" and -1 not in each.unflattened_size:
            return (math.prod(each.unflattened_size),)
        elif name == "PReLU" and each.num_parameters > 1:
            return (each.num_parameters,)
    return (channels, *(2,) * axes) if channels else (6,)


def walked(module: Any) -> Iterator[Any]:
    """The modules in the order of a Sequential, one that stands twice twice."""
    yield module
    for each in module._modules.values():
        if each is not None:
            yield from walked(each)
