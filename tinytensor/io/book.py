"""The course's pickle of trained weights, through an unpickler that calls nothing of NumPy's.

The three names that such a file uses are answered by classes of our own, which check what they are given;
every other name, and so every attempt to run something, is an error.

Source: Saitō, Deep Learning from Scratch, section 3.6 (`sample_weight.pkl`).
"""

import io
import math
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.io.config import Config, State, build
from tinytensor.io.content import content_of
from tinytensor.kernels.boundary import Array

__all__ = ["load", "network", "read"]

SIZE_LIMIT = 64 << 20
OPCODE_LIMIT = 10_000

# All that a dict of arrays needs, in any protocol. No DUP, and nothing compound is fetched from the memo: a
# tuple of itself, twice, sixty levels deep would take for ever to hash.
PUTS = {"BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"}
GETS = {"BINGET", "LONG_BINGET", "GET"}
COMPOUND = {"EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
OPCODES = PUTS | GETS | COMPOUND | {
    "PROTO", "FRAME", "MARK", "STOP", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "NONE", "NEWTRUE",
    "NEWFALSE", "BININT", "BININT1", "BININT2", "SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES",
    "BINBYTES", "BINBYTES8",
}  # fmt: skip


class Dtype:
    """Stands for `numpy.dtype("f4", …)`."""

    def __init__(self, code: str, *_: Any):
        if code not in ("f4", "f8"):
            raise ModelFormatError(f"expected arrays of f4 or f8, got {code!r:.40}")
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">"):
            raise ModelFormatError(f"expected the byte order < or >, got {state[1]!r:.40}")
        self.code = state[1] + self.code


class Reconstructed:
    """Stands for `numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b")`."""

    def __init__(self, *_: Any):
        self.array: Array | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        array = np.frombuffer(data, dtype.code)
        if not all(type(n) is int and n >= 0 for n in shape) or math.prod(shape) != array.size:
            raise ModelFormatError(
                f"an array is said to have the shape {shape!r:.80} and has {array.size} numbers"
            )
        self.array = array.reshape(shape, order="F" if fortran else "C")


NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): Reconstructed,
    ("numpy._core.multiarray", "_reconstruct"): Reconstructed,  # as NumPy 2 writes it
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): Dtype,
}


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows the names of arrays and no others."""

    def find_class(self, module: str, name: str) -> Any:
        """One of our stand-ins."""
        if (module, name) not in NAMES:
            raise ModelFormatError(f"asks for {module}.{name}"[:120] + "; only arrays are allowed")
        return NAMES[module, name]


def refuse_unusual(data: bytes) -> None:
    """Raise if the pickle uses anything but the opcodes of a dict of arrays."""
    memo: dict[int, str] = {}
    previous = ""
    for count, (opcode, argument, position) in enumerate(pickletools.genops(data)):
        name = opcode.name
        if name not in OPCODES or count == OPCODE_LIMIT:
            raise ModelFormatError(f"byte {position}: {name} has no place in a dict of arrays")
        if name in PUTS:
            index = len(memo) if argument is None else int(argument)
            if index > OPCODE_LIMIT:  # the unpickler allocates that many places
                raise ModelFormatError(f"byte {position}: {name} {index}")
            memo[index] = previous
        elif name in GETS and argument is not None and memo.get(int(argument)) in COMPOUND:
            raise ModelFormatError(f"byte {position}: {name} fetches a {memo[int(argument)]}")
        else:
            previous = name


def arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays in a pickled dict.

    Raises:
        ModelFormatError: it is damaged, too large, or anything but a dict of float32 and float64 arrays.
    """
    data = content_of(Path(path), SIZE_LIMIT)
    try:
        refuse_unusual(data)
        found = ArrayUnpickler(io.BytesIO(data)).load()
    except ModelFormatError:
        raise
    except Exception as error:  # a damaged pickle fails in any way there is
        raise ModelFormatError(f"no pickle of arrays: {type(error).__name__}: {error}"[:200]) from error
    if not isinstance(found, dict):
        raise ModelFormatError(f"expected a dict of arrays, got {type(found).__name__}")
    stored = {name: getattr(each, "array", None) for name, each in found.items()}
    if not all(isinstance(name, str) and isinstance(each, np.ndarray) for name, each in stored.items()):
        raise ModelFormatError("expected a dict of arrays by name")
    return {name: each for name, each in stored.items() if each is not None}


def read(path: Path) -> tuple[Config, State]:
    """The chapter's network.

    Raises:
        ModelFormatError: it is damaged, or anything but the weights W1, b1, W2, b2, …
    """
    return network(arrays(path))


def network(stored: State) -> tuple[Config, State]:
    """The chapter's network: affine and sigmoid in turn, softmax at the end. W is stored as (in, out).

    Raises:
        ModelFormatError: not W1, b1, W2, b2, …, or not of shapes that fit.
    """
    count = len(stored) // 2
    if not count or stored.keys() != {f"{letter}{i + 1}" for letter in "Wb" for i in range(count)}:
        raise ModelFormatError(f"expected arrays W1, b1, W2, b2, …, got {sorted(stored)!r:.80}")
    layers: list[Config] = []
    state: dict[str, Array] = {}
    for i in range(count):
        weight, bias = stored[f"W{i + 1}"], stored[f"b{i + 1}"]
        if weight.ndim != 2 or (i and weight.shape[0] != stored[f"W{i}"].shape[-1]):
            raise ModelFormatError(
                f"W{i + 1}: expected (in, out) that fits the layer before, got {weight.shape}"
            )
        shape = {"in_features": weight.shape[0], "out_features": weight.shape[1]}
        state |= {f"{2 * i}.weight": np.ascontiguousarray(weight.T), f"{2 * i}.bias": bias}
        layers += [
            {"class": "Linear", "config": shape},
            {"class": "Sigmoid" if i < count - 1 else "Softmax", "config": {}},
        ]
    named = [{"name": str(position)} | layer for position, layer in enumerate(layers)]
    return {"class": "Sequential", "config": {"layers": named}}, state


def load(path: str | os.PathLike[str]) -> Any:
    """The network in the course's `sample_weight.pkl`, a Sequential for pixels divided by 255.

    Raises:
        ModelFormatError: the file is damaged, or anything but the weights W1, b1, W2, b2, …
        OSError: it cannot be read.
    """
    try:
        return build(*read(Path(path)))
    except ModelFormatError as error:
        raise ModelFormatError(f"{os.fspath(path)}: {error}") from error
