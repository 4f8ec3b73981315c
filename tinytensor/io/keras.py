"""Keras: `.keras` and `.h5` files of Keras 1.2 to 3, read without Keras, and models of Keras 3 as objects.

A `.keras` file is a ZIP archive of a configuration and of the weights in HDF5; a `.h5` file is HDF5 with the
configuration as an attribute. The version of Keras that wrote a file decides what its words mean.

Sources: `keras.src.saving.saving_lib` and `keras.src.legacy.saving.legacy_h5_format` of Keras 3.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tinytensor.errors import DtypeError, ModelFormatError
from tinytensor.files import StrPath, opened_file
from tinytensor.io import hdf5
from tinytensor.io.archive import opened, read_member
from tinytensor.io.config import Config, State, build, shortened
from tinytensor.io.formats import located
from tinytensor.io.keras_config import imported
from tinytensor.io.keras_weights import ByName, ByPosition
from tinytensor.io.safetensors import HEADER_LIMIT, parse_json
from tinytensor.kernels.boundary import Array
from tinytensor.layers.layer import Layer

__all__ = ["from_keras", "read"]

METADATA, CONFIG, WEIGHTS, SHARDED = "metadata.json", "config.json", "model.weights.h5", "model.weights.json"
ZIP = b"PK\x03\x04"
VERSIONS = ("1", "2", "3")


def from_keras(model: Any) -> Layer:
    """The model in a `.keras` or `.h5` file, or that a Keras 3 model is, as a `Sequential` or a `Graph`.

    Samples keep Keras's layout, channels last. A layer with an activation becomes two, `name` and
    `name_activation`. float16 and bfloat16 become float32.

    Args:
        model: a path, or a `keras.Sequential` or functional model.

    Raises:
        UnsupportedOp: a layer that tinytensor does not have; says which.
        ModelFormatError: the file is damaged, or holds weights alone.
        DtypeError: neither a path nor a Keras model.
        MissingExtra: h5py is not installed.
    """
    if isinstance(model, str | os.PathLike):
        with located(model):
            return build(*read(Path(model)))
    keras = sys.modules.get("keras")  # there, if this is a model of Keras
    if keras is None or not isinstance(model, keras.Model):
        raise DtypeError(f"from_keras: expected a path or a Keras model, got {model!r:.80}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return build(*read(path))


def read(path: StrPath) -> tuple[Config, State]:
    """The configuration and the state dict in a file of Keras.

    Raises:
        UnsupportedOp: a layer that tinytensor does not have; says which.
        ModelFormatError: the file is damaged, or holds weights alone.
    """
    with opened_file(path) as file:
        archive = file.read(len(ZIP)) == ZIP
    return read_archive(path) if archive else read_hdf5(path)


def read_archive(path: StrPath) -> tuple[Config, State]:
    """What a `.keras` file describes."""
    with opened(path) as members:
        if SHARDED in members:
            raise ModelFormatError(
                f"{SHARDED}: expected the weights in one file; save without max_shard_size"
            )
        texts = []
        for name in (CONFIG, METADATA, WEIGHTS):
            if name not in members:
                raise ModelFormatError(f"no {name} in it")
        for name in (CONFIG, METADATA):
            if members[name][1].file_size > HEADER_LIMIT:
                raise ModelFormatError(f"{name}: expected at most {HEADER_LIMIT} bytes")
            texts.append(read_member(members[name]).tobytes().decode("utf-8", "replace"))
        content = read_member(members[WEIGHTS])
    described, metadata = map(parse_json, texts)
    version = major(metadata.get("keras_version") if isinstance(metadata, dict) else None)
    with hdf5.opened(content) as arrays:
        return imported(described, version, ByPosition(arrays))


def read_hdf5(path: StrPath) -> tuple[Config, State]:
    """What a `.h5` file describes."""
    with hdf5.opened(content_of(path)) as arrays:
        text = arrays.text("", "model_config")
        if text is None:
            raise ModelFormatError(
                "HDF5 without the configuration of a model of Keras, so without activations; weights alone "
                "are not enough: save the model with model.save('model.keras')"
            )
        # Keras 1 did not always write its version, and Keras 3 takes files without one for those of Keras 1.
        version = arrays.text("", "keras_version") or arrays.text("model_weights", "keras_version") or "1"
        return imported(parse_json(text), major(version), ByName(arrays, "model_weights"))


def content_of(path: StrPath) -> Array:
    """All bytes of a file, in memory that can be viewed as numbers."""
    with opened_file(path) as file:
        content = np.empty(os.fstat(file.fileno()).st_size, np.uint8)
        if file.readinto(content.data) != content.size:
            raise ModelFormatError("the file became shorter while it was read")
    return content


def major(version: Any) -> int:
    """The first number of a version of Keras."""
    first = version.partition(".")[0] if isinstance(version, str) else None
    if first not in VERSIONS:
        raise ModelFormatError(f"keras_version: expected {', '.join(VERSIONS)}, got {shortened(version)}")
    return int(first)
