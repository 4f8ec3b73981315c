"""Samples as a model takes them: pixels rescaled once, images flat if nothing flattens them."""

import math
from typing import Any

import numpy as np

import tinytensor as tt

__all__ = ["features", "image_shape", "prepared", "rescales"]


def leaves(layer: Any) -> list[Any]:
    """The layers that contain no others, in order."""
    inner = list(layer.children().values())
    return [leaf for child in inner for leaf in leaves(child)] if inner else [layer]


def features(network: Any) -> int | None:
    """How many numbers a sample has, by the first Linear."""
    found = [each.in_features for each in leaves(network) if isinstance(each, tt.Linear | tt.QuantizedLinear)]
    return found[0] if found else None


def image_shape(network: Any) -> tuple[int, int] | None:
    """The size of a square image with as many pixels as the first Linear takes."""
    side = math.isqrt(features(network) or 0)
    return (side, side) if side and side * side == features(network) else None


def takes_pixels(layer: Any) -> bool:
    """Whether a layer makes numbers of pixels from 0 to 255: of bytes that is what one step of them says."""
    return isinstance(layer, tt.Rescale) or (isinstance(layer, tt.Quantize) and layer.scale * 255 > 2)


def rescales(network: Any) -> bool:
    """Whether the model takes pixels from 0 to 255."""
    return any(map(takes_pixels, leaves(network)))


def prepared(network: Any, batch: Any) -> Any:
    """The batch as the model takes it.

    >>> model = tt.Sequential(tt.Linear(4, 1))
    >>> prepared(model, np.array([[[0, 51], [102, 255]]], np.uint8))
    array([[0. , 0.2, 0.4, 1. ]], dtype=float32)
    """
    layers, width = leaves(network), features(network)
    if width and batch.ndim == 2 and batch.size == width != batch.shape[1]:
        batch = batch[None]  # one image without an axis for the batch
    if batch.dtype == np.uint8 and not rescales(network):
        batch = batch.astype(np.float32) / np.float32(255)
    first = [each for each in layers if not isinstance(each, tt.Quantize)][:1]
    takes_rows = any(isinstance(each, tt.Linear | tt.QuantizedLinear) for each in first)
    if batch.ndim > 2 and takes_rows and math.prod(batch.shape[1:]) == width:
        batch = batch.reshape(len(batch), width)
    return batch
