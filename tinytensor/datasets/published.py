"""MNIST's four files as they were published: from the user's cache, or from a mirror into the cache."""

import contextlib
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinytensor.cache import cache_folder
from tinytensor.datasets.download import transfer
from tinytensor.datasets.idx import parse_idx, read_idx
from tinytensor.errors import DatasetError, DownloadError
from tinytensor.io.atomic import replacing

__all__ = ["FILES", "IdxFile", "fetch"]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


class IdxFile(NamedTuple):
    """One of the files, without the ending that says whether it is gzipped."""

    name: str
    ndim: int
    sha256: str  # of the unpacked content: gzip archives of the same content differ


FILES = {
    "train": (
        IdxFile(
            "train-images-idx3-ubyte", 3, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        IdxFile(
            "train-labels-idx1-ubyte", 1, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
    ),
    "test": (
        IdxFile(
            "t10k-images-idx3-ubyte", 3, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        IdxFile(
            "t10k-labels-idx1-ubyte", 1, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    ),
}


def fetch(file: IdxFile) -> NDArray[np.uint8]:
    """The array in a published file, checked against its digest.

    Raises:
        DownloadError: it is not in the cache and no mirror gave it.
        MissingExtra: it is not in the cache and pooch is not installed.
    """
    path = Path(cache_folder()) / "mnist" / f"{file.name}.gz"
    # A copy that is missing or damaged is replaced.
    with contextlib.suppress(DatasetError):
        return read_idx(path, file.ndim, file.sha256)
    if sys.stderr.isatty():
        print(f"tinytensor: downloading {path.name}, once", file=sys.stderr, flush=True)
    failures = []
    for mirror in MIRRORS:
        try:
            content = transfer(mirror + path.name)
            array = parse_idx(content, mirror + path.name, file.ndim, file.sha256)
        except DatasetError as error:
            failures.append(str(error))
            continue
        # A cache that cannot be written costs another download some day, not an exception today.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(content.getvalue())
        return array
    raise DownloadError(
        f"{path.name} could not be downloaded ({'; '.join(failures)}); give a folder with MNIST's IDX files "
        "(data=, --data or $TINYTENSOR_DATA), or take the embedded sample"
    )
