"""PyTorch's files of tensors, `torch.save(model.state_dict(), path)`, read without PyTorch.

Since PyTorch 1.6 such a file is a ZIP archive: `data.pkl`, a pickle in which a tensor is a place in a
storage, and a member `data/<key>` for each storage. Before, it was five pickles, of which the fourth held the
tensors, and then the storages. The pickles go through the unpickler of `tinytensor.io.pickles`.

Source: `torch/serialization.py` and `torch/_utils.py`.
"""

import io
import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.files import StrPath, opened_file
from tinytensor.io.archive import opened, read_member
from tinytensor.io.config import Config, State
from tinytensor.io.content import content_of
from tinytensor.io.named import flat
from tinytensor.io.pickles import SIZE_LIMIT, Names, unpickled
from tinytensor.io.propose import refuse
from tinytensor.io.safetensors import is_size, widened
from tinytensor.kernels.boundary import Array

__all__ = ["read", "read_state"]

ZIP = b"PK\x03\x04"
GROWTH, EXTRA_SIZE = 4, 16 << 20  # tensors may share memory, and halves are widened
MAX_FILE = 1 << 40
HALVES = ("f2", "bf16")

DTYPES = {
    "float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "bf16", "int64": "i8", "int32": "i4",
    "int16": "i2", "int8": "i1", "uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "bool": "b1",
}  # fmt: skip
STORAGES = {
    "Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": "bf16", "Long": "i8", "Int": "i4", "Short": "i2",
    "Char": "i1", "Byte": "u1", "Bool": "b1", "Untyped": "u1",
}  # fmt: skip


class Kind(NamedTuple):
    """Stands for `torch.FloatStorage` and `torch.float32`."""

    code: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """As NumPy reads it; a bfloat16 is the upper half of a float32."""
        return np.dtype("<u2" if self.code == "bf16" else f"<{self.code}")


class Storage(NamedTuple):
    """Bytes in the file, found when a tensor is read."""

    kind: Kind
    key: str
    size: int


class Stored(NamedTuple):
    """Stands for a tensor: numbers of a storage from an offset on, with strides counted in numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    kind: Kind


class Values(dict[Any, Any]):
    """Stands for `collections.OrderedDict`, whose attributes hold no weights."""

    def __setstate__(self, state: Any) -> None:
        """PyTorch keeps the versions of its modules there."""


def tensor(storage: Storage, offset: int, shape: Any, strides: Any, *_: Any) -> Stored:
    """Stands for `torch._utils._rebuild_tensor` and `_rebuild_tensor_v2`."""
    if len(_) > 2 and _[2]:  # of conjugated and negated views
        raise ModelFormatError(f"expected plain tensors, got one with {_[2]!r:.80}")
    return Stored(storage, offset, tuple(shape), tuple(strides), storage.kind)


def tensor_of_kind(storage: Storage, offset: int, shape: Any, strides: Any, *_: Any) -> Stored:
    """Stands for `torch._utils._rebuild_tensor_v3`, which says the dtype."""
    return Stored(storage, offset, tuple(shape), tuple(strides), _[2])


def parameter(data: Stored, *_: Any) -> Stored:
    """Stands for `torch._utils._rebuild_parameter`."""
    return data


NAMES: Names = {
    ("collections", "OrderedDict"): Values,
    ("collections", "Counter"): Values,
    ("torch", "Size"): tuple,
    ("torch", "device"): lambda *_: None,
    ("torch._utils", "_rebuild_tensor"): tensor,
    ("torch._utils", "_rebuild_tensor_v2"): tensor,
    ("torch._utils", "_rebuild_tensor_v3"): tensor_of_kind,
    ("torch._utils", "_rebuild_parameter"): parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): parameter,
    **{("torch", name): Kind(code) for name, code in DTYPES.items()},
    **{
        (module, f"{name}Storage"): Kind(code)
        for name, code in STORAGES.items()
        for module in ("torch", "torch.storage", "torch.cuda")
    },
}


def storage(pid: Any) -> Storage:
    """What a persistent id of PyTorch's means."""
    word, kind, key, _, count, *view = pid
    if word != "storage" or not isinstance(kind, Kind) or not isinstance(key, str) or not is_size(count):
        raise ModelFormatError(f"expected a storage, got {pid!r:.80}")
    if view not in ([], [None]):
        raise ModelFormatError("a view of a storage, as PyTorch before 0.4 wrote; save it anew")
    return Storage(kind, key, count)


def read(path: StrPath) -> tuple[Config, State]:
    """No model: a state dict does not say which network it belongs to.

    Raises:
        ModelFormatError: always; says how to load the weights.
    """
    refuse(read_state(path), path)


def read_state(path: StrPath) -> State:
    """The tensors in a file of `torch.save` by name, float16 and bfloat16 as float32.

    Raises:
        ModelFormatError: the file is damaged, or holds more than dicts, lists, plain values and dense tensors
            of real numbers.
    """
    limit = GROWTH * os.stat(path).st_size + EXTRA_SIZE
    with opened_file(path) as file:
        is_archive = file.read(len(ZIP)) == ZIP
    if not is_archive:
        return of_pickles(content_of(path, MAX_FILE), limit)
    with opened(path) as members:
        found = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
        if len(found) != 1:
            raise ModelFormatError(f"expected one data.pkl in the archive, got {len(found)}")
        root = found[0].removesuffix("data.pkl")
        if f"{root}constants.pkl" in members:
            raise ModelFormatError("is a TorchScript program; save the state_dict() of its module")
        order = members.get(f"{root}byteorder")
        if order is not None and read_member(order).tobytes() != b"little":
            raise ModelFormatError("expected a file of a little-endian machine")
        if members[found[0]][1].file_size > SIZE_LIMIT:
            raise ModelFormatError(f"expected a data.pkl of at most {SIZE_LIMIT} bytes")
        tree = unpickled(io.BytesIO(read_member(members[found[0]]).tobytes()), NAMES, storage)

        def content(key: str) -> Array:
            name = f"{root}data/{key}"
            if name not in members:
                raise ModelFormatError(f"{name!r:.80} is missing in the archive")
            return read_member(members[name])

        return tensors(tree, content, limit)


def of_pickles(data: bytes, limit: int) -> State:
    """The tensors in a file as PyTorch wrote them before 1.6."""
    stream = io.BytesIO(data[:SIZE_LIMIT])
    for _ in range(3):  # the magic number, the version, and what the machine was
        unpickled(stream, NAMES)
    storages: dict[str, Storage] = {}

    def noted(pid: Any) -> Storage:
        found = storage(pid)
        return storages.setdefault(found.key, found)

    tree = unpickled(stream, NAMES, noted)
    keys = unpickled(stream, NAMES)
    if not isinstance(keys, list) or set(keys) != storages.keys():
        raise ModelFormatError("expected the keys of its storages")
    found: dict[str, Array] = {}
    position = stream.tell()
    for key in keys:
        size = int.from_bytes(data[position : position + 8], "little")
        position += 8
        length = size * storages[key].kind.dtype.itemsize
        if size != storages[key].size or length > len(data) - position:
            raise ModelFormatError(f"storage {key!r:.80}: the file ends within it, or its size is another")
        found[key] = np.frombuffer(data, np.uint8, length, position).copy()  # aligned
        position += length
    if position != len(data):
        raise ModelFormatError(f"expected the end of the file at byte {position}")
    return tensors(tree, found.__getitem__, limit)


def tensors(tree: Any, content: Callable[[str], Array], limit: int) -> State:
    """The arrays of all tensors, which may take `limit` bytes together."""
    contents: dict[str, Array] = {}
    total = 0

    def array(value: Any) -> Array | None:
        nonlocal total
        if not isinstance(value, Stored):
            return None
        checked(value)
        total += math.prod(value.shape) * max(
            4 if value.kind.code in HALVES else 0, value.kind.dtype.itemsize
        )
        if total > limit:
            raise ModelFormatError(f"its tensors would take {total} bytes")
        if value.storage.key not in contents:
            contents[value.storage.key] = content(value.storage.key)
        return viewed(value, contents[value.storage.key])

    return flat(tree, array)


def checked(value: Stored) -> None:
    """Raise unless the tensor lies within its storage."""
    numbers = (value.offset, *value.shape, *value.strides)
    if (
        not isinstance(value.storage, Storage)
        or not isinstance(value.kind, Kind)
        or not all(map(is_size, numbers))
    ):
        raise ModelFormatError(f"expected a tensor in a storage, got {value!r:.120}")
    too_large = math.prod(filter(None, value.shape)) >= 1 << 59
    if len(value.shape) != len(value.strides) or len(value.shape) > 64 or too_large:
        raise ModelFormatError(f"a tensor of shape {value.shape!r:.80} has strides {value.strides!r:.80}")
    if value.kind.code != value.storage.kind.code and value.storage.kind.code != "u1":
        raise ModelFormatError(f"a tensor of {value.kind.code} in a storage of {value.storage.kind.code}")
    last = value.offset + sum((n - 1) * s for n, s in zip(value.shape, value.strides, strict=True))
    size = value.storage.size * value.storage.kind.dtype.itemsize
    if 0 not in value.shape and (last + 1) * value.kind.dtype.itemsize > size:
        raise ModelFormatError(f"a tensor of shape {value.shape!r:.80} reaches beyond its storage")


def viewed(value: Stored, content: Array) -> Array:
    """The numbers of a tensor, as a read-only view of its storage or a copy."""
    if content.size != value.storage.size * value.storage.kind.dtype.itemsize:
        raise ModelFormatError(f"storage {value.storage.key!r:.80}: has {content.size} bytes")
    if 0 in value.shape:
        return np.zeros(value.shape, np.float32 if value.kind.code in HALVES else value.kind.dtype)
    if value.kind.code == "b1" and (content > 1).any():
        raise ModelFormatError(f"storage {value.storage.key!r:.80}: expected bytes 0 and 1 as bools")
    itemsize = value.kind.dtype.itemsize
    numbers = content[: content.size // itemsize * itemsize].view(value.kind.dtype)[value.offset :]
    strides = [itemsize * s if n > 1 else 0 for n, s in zip(value.shape, value.strides, strict=True)]
    array = np.lib.stride_tricks.as_strided(numbers, value.shape, strides, writeable=False)
    kind = {"f2": "F16", "bf16": "BF16"}.get(value.kind.code, "")
    return widened(np.ascontiguousarray(array).reshape(value.shape), kind)
