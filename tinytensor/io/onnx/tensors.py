"""The tensors in an ONNX file as arrays: sizes first."""

import math
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io.onnx.external import Files
from tinytensor.kernels.boundary import Array

__all__ = ["DTYPES", "EXTERNAL", "HALVES", "STRING", "array_of", "dtype_of", "strings_of"]

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
EXTERNAL, STRING = 1, 8


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


def array_of(tensor: Any, who: str, files: Files) -> Array:
    """The values of a TensorProto, read-only.

    Raises:
        ModelFormatError: sizes do not fit, or it asks for another file.
        UnsupportedOp: elements of another type.
    """
    dtype = dtype_of(tensor.data_type, who)
    shape = tuple(tensor.dims)
    if len(shape) > 64 or min(shape, default=0) < 0 or math.prod(filter(None, shape)) >= 1 << 59:
        expected = "expected a shape of at most 64 lengths from 0 on, and fewer than 2**59 elements"
        raise ModelFormatError(f"{who}: {expected}, got {shape!r:.200}")
    if tensor.HasField("segment"):
        raise ModelFormatError(f"{who}: expected one segment")
    stored = np.dtype("uint16" if dtype in HALVES else dtype).newbyteorder("<")
    needed = math.prod(shape) * stored.itemsize
    if tensor.data_location == EXTERNAL:
        array = np.frombuffer(files.bytes_of(tensor, who, needed), stored)
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


def strings_of(tensor: Any, who: str) -> list[str]:
    """The strings of a TensorProto."""
    strings = [each.decode("utf-8", "replace") for each in tensor.string_data]
    if len(tensor.dims) > 64 or min(tensor.dims, default=0) < 0 or math.prod(tensor.dims) != len(strings):
        raise ModelFormatError(
            f"{who}: {list(tensor.dims)!r:.200} are not the lengths of {len(strings)} strings"
        )
    return strings


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
