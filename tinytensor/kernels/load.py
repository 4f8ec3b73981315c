"""Machine code from an object file, by llvmlite alone: Numba takes 0.3 s to import.

Each object file has two symbols: `tinytensor_native`, which compiled code calls, and `tinytensor_python`,
which takes Python objects and becomes a built-in function: a call takes a tenth of what ctypes takes.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
import numpy as np

__all__ = ["NATIVE", "PYTHON", "Code", "KernelRaised", "load", "load_symbols", "target_machine"]

NATIVE, PYTHON = "tinytensor_native", "tinytensor_python"
METH_FASTCALL = 0x80


class KernelRaised(RuntimeError):
    """A function that a kernel calls has raised; compiled code does not say what."""


class NoObjects:
    """A type of which there are no objects."""


class Method(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Code(NamedTuple):
    """A loaded kernel."""

    address: int
    function: Callable[..., Any]
    method: Method  # what the function points to


@cache
def arrays_begin_with_data() -> bool:
    """Whether an array's address of data follows the header of all objects, as in every NumPy so far."""
    array = np.empty(1)
    found = ctypes.c_void_p.from_address(id(array) + object.__basicsize__).value
    return found == array.ctypes.data


# Objects that entries from Python name. CPython's own symbols will not do: Numba redefines some of them.
# If the machine code cannot read arrays, it looks for objects of a type of which there are none.
OBJECTS = {
    "tinytensor_ndarray": np.ndarray if arrays_begin_with_data() else NoObjects,
    "tinytensor_none": None,
    "tinytensor_wrong_arguments": TypeError,
    "tinytensor_raised": KernelRaised,
}


@cache
def target_machine() -> Any:
    """What LLVM needs to know of this machine to load code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, value in OBJECTS.items():
        llvm.add_symbol(name, id(value))
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)


@cache
def new_function() -> Any:
    """CPython's PyCFunction_NewEx."""
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.argtypes, new.restype = (ctypes.POINTER(Method), ctypes.c_void_p, ctypes.c_void_p), ctypes.py_object
    return new


@cache
def engine() -> Any:
    """What holds all machine code, as long as the process lives: addresses are everywhere."""
    made = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())
    # never freed: when the process ends, a thread that has just ended may still be in its last instructions
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    return made


def load_symbols(object_file: bytes, *symbols: str) -> list[int]:
    """Load machine code; the addresses of its functions, which later code of these names does not change."""
    # one engine: with one for each file, 18 files took 14 ms instead of 1.5
    engine().add_object_file(llvm.ObjectFileRef.from_data(object_file))
    engine().finalize_object()
    return [engine().get_function_address(each) for each in symbols]


def load(name: str, object_file: bytes) -> Code:
    """Load the machine code of one kernel."""
    address, entry = load_symbols(object_file, NATIVE, PYTHON)
    method = Method(name.encode(), entry, METH_FASTCALL, None)
    function = new_function()(method, None, None)
    if not arrays_begin_with_data():
        function = with_addresses(function)
    return Code(address, function, method)


def with_addresses(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function for a Python whose arrays the machine code cannot read."""

    def call(*arguments: Any) -> Any:
        return function(*(each.ctypes.data if type(each) is np.ndarray else each for each in arguments))

    return call
