"""The tensors in an ONNX file as arrays: sizes first, and other files only where that was asked for."""

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.kernels.boundary import Array

__all__ = ["DTYPES", "HALVES", "array_of", "dtype_of"]

# ONNX's numbers of element types; halves are read as float32, which holds all their values.
DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16",
}  # fmt: skip
HALVES = {"float16", "bfloat16"}
TYPED = {
    "float32": "float_data", "float64": "double_data", "int64": "int64_data", "uint32": "uint64_data",
    "uint64": "uint64_data",
}  # fmt: skip
EXTERNAL = 1


def dtype_of(elem_type: int, who: str) -> str:
    """The name of an element type.

    Raises:
        UnsupportedOp: tinytensor computes with none such.
    """
    if elem_type not in DTYPES:
        raise UnsupportedOp(
            f"{who}: elements of type {elem_type} of ONNX (8 is strings, from 17 on few bits); "
            "the model in float32 would help"
        )
    return DTYPES[elem_type]


def array_of(tensor: Any, who: str, folder: Path | None) -> Array:
    """The values of a TensorProto, read-only; `folder` is where files beside the model may be read.

    Raises:
        ModelFormatError: sizes do not fit, or it asks for another file.
        UnsupportedOp: elements of another type.
    """
    dtype = dtype_of(tensor.data_type, who)
    shape = tuple(tensor.dims)
    if len(shape) > 64 or min(shape, default=0) < 0 or math.prod(filter(None, shape)) >= 1 << 59:
        raise ModelFormatError(f"{who}: expected at most 64 lengths, got {shape!r:.200}")
    if tensor.HasField("segment"):
        raise ModelFormatError(f"{who}: expected one segment")
    stored = np.dtype("uint16" if dtype in HALVES else dtype).newbyteorder("<")
    needed = math.prod(shape) * stored.itemsize
    if tensor.data_location == EXTERNAL:
        array = np.frombuffer(external(tensor, who, folder, needed), stored)
    elif tensor.HasField("raw_data"):
        raw = tensor.raw_data
        if len(raw) != needed:
            raise ModelFormatError(f"{who}: {dtype} {list(shape)} has {needed} bytes, the file {len(raw)}")
        array = np.frombuffer(raw, stored)
    else:
        array = typed(tensor, who, dtype, stored, math.prod(shape))
    if dtype == "bool" and (array.view(np.uint8) > 1).any():
        raise ModelFormatError(f"{who}: expected bytes 0 and 1 as bools")
    array = widened(array.astype(stored.newbyteorder("="), copy=False), dtype).reshape(shape)
    array.flags.writeable = False
    return array


def typed(tensor: Any, who: str, dtype: str, stored: np.dtype[Any], count: int) -> Array:
    """The numbers in the field of their type; small integers and the bits of halves are int32 there."""
    field = TYPED.get(dtype, "int32_data")
    numbers = getattr(tensor, field)
    if len(numbers) != count:
        raise ModelFormatError(f"{who}: expected {count} numbers in {field}, got {len(numbers)}")
    wide = np.fromiter(numbers, {"int32_data": "int32", "uint64_data": "uint64"}.get(field, dtype), count)
    array = wide.astype(stored)
    if not np.array_equal(array, wide, equal_nan=wide.dtype.kind == "f"):
        raise ModelFormatError(f"{who}: {field} holds numbers that are no {dtype}")
    return array


def widened(array: Array, dtype: str) -> Array:
    """float32 in the place of halves, from their bits."""
    if dtype == "float16":
        return array.view(np.float16).astype(np.float32)
    return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else array


def external(tensor: Any, who: str, folder: Path | None, needed: int) -> bytes:
    """The bytes of a tensor that lie in a regular file in the folder of the model, reached by no link."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise ModelFormatError(
            f"{who}: lies in another file, {location!r:.80}; if you trust the model: "
            "tt.from_onnx(path, external_data=True)"
        )
    numbers = [entries.get(key, default) for key, default in (("offset", "0"), ("length", str(needed)))]
    if not all(number.isascii() and number.isdigit() and len(number) < 19 for number in numbers):
        raise ModelFormatError(f"{who}: expected an offset and a length, got {numbers!r:.80}")
    offset, length = map(int, numbers)
    if length != needed:
        raise ModelFormatError(f"{who}: has {needed} bytes, in {location!r:.80} are {length}")
    with open_within(folder, location, who) as file:
        size = os.fstat(file.fileno()).st_size
        if offset + needed > size:
            raise ModelFormatError(f"{who}: ends at byte {offset + needed} of {size} in {location!r:.80}")
        file.seek(offset)
        return bytes(file.read(needed))


def open_within(folder: Path, location: str, who: str) -> Any:
    """Open a file in a folder for reading, if the way to it leaves the folder nowhere.

    Source: CVE-2022-25882, CVE-2024-27318, CVE-2026-27489: `..`, absolute paths, symbolic and hard links.
    """
    refusal = f"{who}: {location!r:.80} is no regular file in the folder of the model"
    parts = location.replace("\\", "/").split("/")
    root = os.path.realpath(folder)
    whole = os.path.join(root, *parts)
    unusual = {"", ".", ".."}.intersection(parts) or ":" in location or "\0" in location
    if unusual or os.path.realpath(whole) != whole:
        raise ModelFormatError(refusal)
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(whole, flags | getattr(os, "O_BINARY", 0)), "rb")
    except OSError as error:
        raise ModelFormatError(f"{refusal}: {error.strerror}") from error
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        file.close()
        raise ModelFormatError(refusal)
    return file
