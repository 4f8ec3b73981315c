"""Machine code from an object file, by `object_file` or else by llvmlite: Numba takes 0.3 s to import.

Each object file has two symbols: `tinytensor_native`, which compiled code calls, and `tinytensor_python`,
which takes Python objects and becomes a built-in function: a call takes a tenth of what ctypes takes.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tinytensor.kernels import object_file

__all__ = ["NATIVE", "PYTHON", "Code", "KernelRaised", "load", "load_symbols"]

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
ADDRESSES = {name: id(value) for name, value in OBJECTS.items()}


@cache
def new_function() -> Any:
    """CPython's PyCFunction_NewEx."""
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.argtypes, new.restype = (ctypes.POINTER(Method), ctypes.c_void_p, ctypes.c_void_p), ctypes.py_object
    return new


@cache
def engine() -> Any:
    """What holds the machine code that LLVM loads, as long as the process lives: addresses are everywhere."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, value in ADDRESSES.items():
        llvm.add_symbol(name, value)
    machine = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    made = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    # never freed: when the process ends, a thread that has just ended may still be in its last instructions
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    return made


def load_symbols(content: bytes, *symbols: str) -> list[int]:
    """Load an object file; the addresses of its functions. Later code of these names does not change them."""
    try:
        return object_file.load(content, symbols, ADDRESSES)
    except object_file.Unfamiliar:
        return load_by_llvm(content, symbols)


def load_by_llvm(content: bytes, symbols: tuple[str, ...]) -> list[int]:
    """What LLVM loads on every system, and takes longer for."""
    from llvmlite.binding import ObjectFileRef

    # one engine: with one for each file, 18 files took 14 ms instead of 1.5
    engine().add_object_file(ObjectFileRef.from_data(content))
    engine().finalize_object()
    return [engine().get_function_address(each) for each in symbols]


def load(name: str, content: bytes) -> Code:
    """Load the machine code of one kernel."""
    address, entry = load_symbols(content, NATIVE, PYTHON)
    method = Method(name.encode(), entry, METH_FASTCALL, None)
    # never freed: the function reads it while it is freed itself, in any order when the process ends
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(method))
    function = new_function()(method, None, None)
    if not arrays_begin_with_data():
        function = with_addresses(function)
    return Code(address, function)


def with_addresses(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function for a Python whose arrays the machine code cannot read."""

    def call(*arguments: Any) -> Any:
        return function(*(each.ctypes.data if type(each) is np.ndarray else each for each in arguments))

    return call
