"""PNG and JPEG: an image a sample, made grey and sized to what the network takes (extra `images`)."""

import os
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinytensor.digits import centred, resized
from tinytensor.errors import ArgumentError, require
from tinytensor.files import opened_file
from tinytensor.samples.options import Batch, Options

__all__ = ["folder", "one"]

SUFFIXES = (".png", ".jpg", ".jpeg")


def one(path: str, options: Options, size: int) -> Iterator[Batch]:
    """The image."""
    yield [""], grey(path, options)[None]


def folder(path: str, options: Options, size: int) -> Iterator[Batch]:
    """The images of a folder, by name; what ends differently is passed over."""
    names = sorted(name for name in os.listdir(path) if name.lower().endswith(SUFFIXES))
    if not names:
        raise ArgumentError(
            f"{path}: expected images in the folder, found no name with {', '.join(SUFFIXES)}"
        )
    for start in range(0, len(names), size):
        part = names[start : start + size]
        yield part, np.stack([grey(os.path.join(path, name), options) for name in part])


def grey(path: str, options: Options) -> NDArray[np.uint8]:
    """An image as levels of grey; what is transparent is white."""
    image, ops = require("PIL.Image", "images"), require("PIL.ImageOps", "images")
    with opened_file(path) as file, warnings.catch_warnings():
        warnings.simplefilter("error", image.DecompressionBombWarning)
        try:
            with image.open(file, formats=["PNG", "JPEG"]) as opened:
                picture = ops.exif_transpose(opened).convert("RGBA")
            paper = image.new("RGBA", picture.size, "white")
            pixels: Any = np.asarray(image.alpha_composite(paper, picture).convert("L"))
        except (OSError, ValueError, SyntaxError, Warning, image.DecompressionBombError) as error:
            raise ArgumentError(f"{path}: not a readable image: {str(error)[:200]}") from error
    if options.invert:
        pixels = 255 - pixels
    if options.shape is None:
        raise ArgumentError(f"{path}: the size of the model's images is not known; give --size, as 28,28")
    return (centred if options.centre else resized)(pixels, options.shape)
