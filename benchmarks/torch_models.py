"""The measured networks as PyTorch modules: as they are, compiled, and compiled ahead of time."""

import tempfile
from functools import cache
from typing import Any

import torch
from torch import nn

from benchmarks.networks import EPS, Layer, Network

__all__ = ["compiled", "module", "package"]

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "relu": nn.ReLU, "softmax": lambda: nn.Softmax(dim=1)}


class Rescale(nn.Module):
    def forward(self, pixels: Any) -> Any:
        return pixels.to(torch.float32) * (1 / 255)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        return x + self.inner(x)


def norm(layer: Layer) -> list[nn.Module]:
    """The layer's normalization, if it has one."""
    if not layer.norm:
        return []
    kind, names = nn.LayerNorm, ["weight", "bias"]
    if len(layer.norm) == 4:
        kind, names = nn.BatchNorm1d, [*names, "running_mean", "running_var"]
    made = kind(len(layer.bias), eps=EPS)
    values = {name: torch.tensor(value) for name, value in zip(names, layer.norm, strict=True)}
    made.load_state_dict(values, strict=False)  # all but the number of batches that training has seen
    return [made]


def module(network: Network, raw: bool) -> nn.Module:
    """The network for raw pixels or for numbers from 0 to 1."""
    made: list[nn.Module] = [Rescale()] if raw else []
    for layer in network.layers():
        linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
        linear.load_state_dict({"weight": torch.tensor(layer.weight), "bias": torch.tensor(layer.bias)})
        parts = [linear, *norm(layer)]
        if layer.activation:
            parts.append(ACTIVATIONS[layer.activation]())
        made += [Residual(nn.Sequential(*parts))] if layer.adds else parts
    return nn.Sequential(*made).eval().requires_grad_(False)


@cache
def compiled(network: Network, raw: bool) -> Any:
    """By torch.compile, which is slow to start: once a process."""
    return torch.compile(module(network, raw))


@cache
def folder() -> tempfile.TemporaryDirectory[str]:
    """Where packages are kept as long as the process lives."""
    return tempfile.TemporaryDirectory(prefix="tinytensor-benchmarks-")


@cache
def package(network: Network, shape: tuple[int, ...], dtype: str) -> str:
    """By AOTInductor for one shape of the input, which takes seconds of g++: once a process."""
    path = f"{tempfile.mkdtemp(dir=folder().name)}/model.pt2"
    x = torch.zeros(shape, dtype=getattr(torch, dtype))
    exported = torch.export.export(module(network, dtype == "uint8"), (x,))
    settings = {"freezing": True}  # weights are constants and may be packed
    torch._inductor.aoti_compile_and_package(exported, package_path=path, inductor_configs=settings)
    return path
