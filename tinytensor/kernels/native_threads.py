"""Threads and locks of the system, from compiled code: CPython's own wrappers of them, which are portable.

Such a thread is unknown to Python: it never holds the interpreter's lock, no signal handler runs on it, and
it ends with the process.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic
from numba.types import int64, void

__all__ = ["NO_THREAD", "acquire", "new_lock", "release", "start_thread"]

I8, I32, I64, VOID = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.VoidType()
POINTER = I8.as_pointer()
NO_THREAD = -1
ENTRY = "tinytensor_thread"


def call(builder: ir.IRBuilder, name: str, result: ir.Type, *arguments: ir.Value) -> ir.Value:
    """Call a C function."""
    kind = ir.FunctionType(result, [each.type for each in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def entry(module: ir.Module) -> ir.Function:
    """The C function in which a thread begins: two numbers are the address of a kernel and its argument."""
    found = cgutils.get_or_insert_function(module, ir.FunctionType(VOID, [POINTER]), ENTRY)
    if not found.is_declaration:
        return found
    found.linkage = "linkonce_odr"
    builder = ir.IRBuilder(found.append_basic_block())
    numbers = builder.bitcast(found.args[0], I64.as_pointer())
    address, argument = (builder.load(builder.gep(numbers, [ir.Constant(I64, i)])) for i in range(2))
    kind = ir.FunctionType(I32, [POINTER.as_pointer(), POINTER.as_pointer(), I64])  # Numba's convention
    result, raised = builder.alloca(POINTER), builder.alloca(POINTER)
    builder.call(builder.inttoptr(address, kind.as_pointer()), [result, raised, argument])
    builder.ret_void()
    return found


@intrinsic
def start_thread(typing_context: Any, numbers_at: Any) -> Any:
    """Run a kernel of one integer on a new thread; NO_THREAD if the system gives none.

    What begins at the address are two int64, the kernel's address and its argument; they must stay there.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given = builder.inttoptr(values[0], POINTER)
        return call(builder, "PyThread_start_new_thread", I64, entry(builder.module), given)

    return int64(int64), generate


@intrinsic
def new_lock(typing_context: Any) -> Any:
    """A lock that is not taken; 0 if there is none."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ptrtoint(call(builder, "PyThread_allocate_lock", POINTER), I64)

    return int64(), generate


@intrinsic
def acquire(typing_context: Any, lock: Any) -> Any:
    """Wait until the lock is free, and take it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        call(builder, "PyThread_acquire_lock", I32, builder.inttoptr(values[0], POINTER), ir.Constant(I32, 1))
        return context.get_dummy_value()

    return void(int64), generate


@intrinsic
def release(typing_context: Any, lock: Any) -> Any:
    """Free a lock, whoever took it."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        call(builder, "PyThread_release_lock", VOID, builder.inttoptr(values[0], POINTER))
        return context.get_dummy_value()

    return void(int64), generate
