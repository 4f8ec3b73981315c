"""NumPy's npz: arrays by name, read without pickle; ours bring their configuration along.

Source: the documentation of `numpy.lib.format`.
"""

import io
import math
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.files import StrPath
from tinytensor.io.archive import opened, read_member
from tinytensor.io.config import Config, State, text_of
from tinytensor.io.propose import refuse
from tinytensor.io.safetensors import is_size, parse_json
from tinytensor.kernels.boundary import Array, allowed
from tinytensor.layers.layer import Layer
from tinytensor.layers.state_dict import state_dict

__all__ = ["read", "read_state", "write"]

SUFFIX = ".npy"
CONFIG = "tinytensor.config"  # its bytes are the JSON text
HEADER_LIMIT = 10_000  # characters that NumPy evaluates as a literal


def read(path: StrPath) -> tuple[Config, State]:
    """The configuration and the state dict.

    Raises:
        ModelFormatError: the file is damaged, or of weights alone.
    """
    state = dict(arrays(path))
    config = state.pop(CONFIG, None)
    if config is None:
        refuse(state, path)
    return parse_json(config.tobytes().decode("utf-8", "replace")), state


def read_state(path: StrPath) -> State:
    """The arrays alone.

    Raises:
        ModelFormatError: the file is damaged.
    """
    return {name: array for name, array in arrays(path).items() if name != CONFIG}


def arrays(path: StrPath) -> State:
    """Every array of a file, float16 as float32."""
    found = {}
    with opened(path) as members:
        for name, member in members.items():
            if not name.endswith(SUFFIX):
                raise ModelFormatError(f"{name!r:.80}: expected arrays only, in members named …{SUFFIX}")
            found[name.removesuffix(SUFFIX)] = array_of(name, read_member(member))
    return found


def array_of(name: str, content: Array) -> Array:
    """The array in the bytes of an npy file, as a read-only view of them."""
    head = io.BytesIO(content[: HEADER_LIMIT + 16].tobytes())
    try:
        version = np.lib.format.read_magic(head)
        if version not in HEADERS:
            raise ValueError(f"version {version} of the format")
        shape, fortran, dtype = HEADERS[version](head, max_header_size=HEADER_LIMIT)
    except Exception as error:  # NumPy parses the header as Python, and that fails in many ways
        raise ModelFormatError(f"{name!r:.80}: no array of numbers: {str(error)[:200]}") from error
    if not (allowed(dtype.newbyteorder("=")) or dtype.char == "e"):
        raise ModelFormatError(f"{name!r:.80}: expected floats, integers or bools, got {dtype!s:.40}")
    content.flags.writeable = False
    data = content[head.tell() :]
    if len(shape) > 64 or not all(map(is_size, shape)) or math.prod(filter(None, shape)) >= 1 << 59:
        raise ModelFormatError(
            f"{name!r:.80}: shape: expected at most 64 sizes, their product below 2**59, got {shape!r:.200}"
        )
    if math.prod(shape) * dtype.itemsize != data.size:
        raise ModelFormatError(f"{name!r:.80}: {dtype} {shape!r:.200} does not have {data.size} bytes")
    if dtype.kind == "b" and (data > 1).any():
        raise ModelFormatError(f"{name!r:.80}: expected bytes 0 and 1 as bools")
    array = data.view(dtype).reshape(shape, order="F" if fortran else "C")
    wanted = np.float32 if dtype.char == "e" else dtype.newbyteorder("=")
    return np.asarray(array.astype(wanted, copy=False))


HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def write(path: StrPath, model: Layer) -> None:
    """Write a model.

    Raises:
        ArgumentError: a layer cannot be described.
        OSError: the disk does not take it.
    """
    arrays: dict[str, Any] = {**state_dict(model), CONFIG: np.frombuffer(text_of(model).encode(), np.uint8)}
    with open(path, "wb") as file:
        np.savez(file, **arrays)
