"""MNIST, 70,000 handwritten digits: from the package, from a folder, or as published."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinytensor.datasets.idx import read_idx
from tinytensor.datasets.published import FILES, fetch
from tinytensor.errors import ArgumentError, DatasetError

__all__ = ["mnist"]

Bytes = NDArray[np.uint8]


def mnist(split: str, data: str | os.PathLike[str] | None = None) -> tuple[Bytes, Bytes]:
    """Handwritten digits and their labels: images (n, 28, 28) and labels (n,), both uint8.

    An image's pixels run from 0, paper, to 255, ink.

    Args:
        split: "train" (60,000 digits), "test" (10,000), or "sample": 1,000 of the first 5,848 training
            digits, 100 of each, in the order 0, 1, …, 9, 0, 1, …, which come with the package.
        data: a folder with the IDX files of "train" or "test", gzipped or plain. Without it,
            `$TINYTENSOR_DATA` is that folder; without that, the files come from the user's cache, where a
            download puts them. A download is checked against the published content; a folder of your own
            may hold any digits in MNIST's format.

    Raises:
        ArgumentError: an unknown split, or a folder for the embedded sample.
        DatasetError: the folder lacks a file, or a file is not what it should be.
        DownloadError: no mirror gave the files.
        MissingExtra: a download is needed and pooch is not installed.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998. The sample's licence
    is in SAMPLE_LICENSE.md beside it.

    >>> images, labels = mnist("sample")
    >>> images.shape, images.dtype, labels[:12].tolist()
    ((1000, 28, 28), dtype('uint8'), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    """
    if split == "sample":
        if data is not None:
            raise ArgumentError("the sample comes with the package, not from a data folder; name one of them")
        return from_folder(Path(__file__).parent, "sample-images-idx3-ubyte", "sample-labels-idx1-ubyte")
    if split not in FILES:
        raise ArgumentError(f'mnist(split={split!r}): expected "train", "test" or "sample"')
    files = FILES[split]
    folder = data or os.environ.get("TINYTENSOR_DATA")
    if folder:
        return from_folder(Path(folder), *(file.name for file in files))
    images, labels = map(fetch, files)
    return images, labels


def from_folder(folder: Path, images_name: str, labels_name: str) -> tuple[Bytes, Bytes]:
    """The digits in two IDX files of a folder, each with or without the ending .gz."""
    images = read_idx(find(folder, images_name), ndim=3)
    labels = read_idx(find(folder, labels_name), ndim=1)
    if images.shape != (len(labels), 28, 28) or not len(labels) or labels.max() > 9:
        raise DatasetError(
            f"{folder}: expected images (n, 28, 28) and n labels from 0 to 9, n at least 1, got images "
            f"{images.shape} and {len(labels)} labels up to {labels.max(initial=0)}"
        )
    return images, labels


def find(folder: Path, name: str) -> Path:
    """Where the file is, packed or not."""
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    missing = f"there is no {name}.gz and no {name} in it" if folder.is_dir() else "there is no such folder"
    raise DatasetError(f"{folder}: expected a folder with MNIST's IDX files, but {missing}")
