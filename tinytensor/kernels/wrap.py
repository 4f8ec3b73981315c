"""The entry of a kernel from Python, written in LLVM code: a METH_FASTCALL function of CPython.

An integer argument takes 2 ns, an array's address 1 (`array.ctypes.data` takes 1 µs). The global interpreter
lock is released while the kernel runs.
"""

from typing import Any

from llvmlite import ir

from tinytensor.kernels.declare import Signature
from tinytensor.kernels.load import PYTHON

__all__ = ["wrapper"]

I8, I32, I64, F32, F64 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()
OBJECT = I8.as_pointer()
POINTER_BYTES = 8


def constant(value: int) -> ir.Constant:
    """A number."""
    return ir.Constant(I64, value)


class Wrapper:
    """The function, as it is written."""

    def __init__(self, module: ir.Module, kernel: str):
        kind = ir.FunctionType(OBJECT, (OBJECT, OBJECT.as_pointer(), I64))
        self.module, self.kernel = module, kernel
        self.entry = ir.Function(module, kind, PYTHON)
        self.builder = ir.IRBuilder(self.entry.append_basic_block("entry"))

    def call(self, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
        """Call a function of CPython."""
        found = self.module.globals.get(name)
        if found is None:
            kind = ir.FunctionType(result, [each.type for each in arguments])
            found = ir.Function(self.module, kind, name)
        return self.builder.call(found, arguments)

    def object(self, name: str) -> ir.Value:
        """One of the objects that the loader names."""
        symbol = f"tinytensor_{name}"
        found = self.module.globals.get(symbol) or ir.GlobalVariable(self.module, I8, symbol)
        return found

    def text(self, value: str) -> ir.Value:
        """A pointer to constant characters."""
        data = bytearray(value.encode() + b"\0")
        kind = ir.ArrayType(I8, len(data))
        stored = ir.GlobalVariable(self.module, kind, self.module.get_unique_name("text"))
        stored.linkage, stored.global_constant, stored.initializer = "private", True, ir.Constant(kind, data)
        return self.builder.bitcast(stored, OBJECT)

    def fail_if(self, condition: ir.Value, error: str = "", message: str = "") -> None:
        """Return NULL, with an error of our own or one that is set already."""
        with self.builder.if_then(condition, likely=False):
            if error:
                self.call("PyErr_SetString", ir.VoidType(), self.object(error), self.text(message))
            self.builder.ret(ir.Constant(OBJECT, None))

    def checked(self, value: ir.Value, marker: ir.Value) -> ir.Value:
        """A converted number; -1 says that an error may be set."""
        with self.builder.if_then(marker, likely=False):
            error = self.call("PyErr_Occurred", OBJECT)
            self.fail_if(self.builder.icmp_signed("!=", error, ir.Constant(OBJECT, None)))
        return value

    def integer(self, given: ir.Value) -> ir.Value:
        """An int, or what has `__index__`."""
        value = self.call("PyLong_AsLongLong", I64, given)
        return self.checked(value, self.builder.icmp_signed("==", value, constant(-1)))

    def number(self, given: ir.Value, kind: ir.Type) -> ir.Value:
        """A float, or what converts to one."""
        value = self.call("PyFloat_AsDouble", F64, given)
        self.checked(value, self.builder.fcmp_ordered("==", value, ir.Constant(F64, -1.0)))
        return value if kind == F64 else self.builder.fptrunc(value, F32)

    def address(self, given: ir.Value) -> ir.Value:
        """Where an array's data are, or an address."""
        builder = self.builder
        header = builder.bitcast(given, OBJECT.as_pointer())
        size = object.__basicsize__ // POINTER_BYTES  # the type is the last thing in the header, data follow
        found = builder.load(builder.gep(header, [constant(size - 1)]))
        exact = builder.icmp_unsigned("==", found, self.object("ndarray"))
        before = builder.block
        with builder.if_then(builder.not_(exact)):
            derived = self.call("PyType_IsSubtype", I32, found, self.object("ndarray"))
            derived = builder.icmp_signed("!=", derived, ir.Constant(I32, 0))
            after = builder.block
        is_array = builder.phi(ir.IntType(1))
        is_array.add_incoming(exact, before)
        is_array.add_incoming(derived, after)
        with builder.if_else(is_array) as (array, other):
            with array:
                data = builder.ptrtoint(builder.load(builder.gep(header, [constant(size)])), I64)
                after_array = builder.block
            with other:
                number = self.integer(given)
                after_other = builder.block
        either = builder.phi(I64)
        either.add_incoming(data, after_array)
        either.add_incoming(number, after_other)
        return either


def wrapper(
    module: ir.Module, native: str, kind: ir.FunctionType, signature: Signature, kernel: str
) -> ir.Module:
    """Write the entry of a kernel into a module; `kind` is the LLVM type of the native function."""
    self = Wrapper(module, kernel)
    builder, (_, given, count) = self.builder, self.entry.args
    wanted = len(signature.arguments)
    self.fail_if(builder.icmp_signed("!=", count, constant(wanted)), "wrong_arguments",
                 f"{kernel} takes {wanted} arguments")  # fmt: skip
    values: list[Any] = []
    for i, (name, type_) in enumerate(zip(signature.arguments, kind.args[2:], strict=True)):
        each = builder.load(builder.gep(given, [constant(i)]))
        if name == "data":
            values.append(self.address(each))
        elif name.endswith("*"):
            values.append(builder.inttoptr(self.address(each), type_))
        else:
            values.append(self.integer(each) if name == "i64" else self.number(each, type_))
    result, raised = builder.alloca(kind.args[0].pointee), builder.alloca(kind.args[1].pointee)
    function = ir.Function(module, kind, native)
    thread = self.call("PyEval_SaveThread", OBJECT)
    status = builder.call(function, [result, raised, *values])
    self.call("PyEval_RestoreThread", ir.VoidType(), thread)
    self.fail_if(builder.icmp_signed("!=", status, ir.Constant(I32, 0)), "raised",
                 f"{kernel}: a function in it raised")  # fmt: skip
    if signature.result == "i64":
        builder.ret(self.call("PyLong_FromLongLong", OBJECT, builder.load(result)))
    else:
        self.call("Py_IncRef", ir.VoidType(), self.object("none"))
        builder.ret(self.object("none"))
    return module
