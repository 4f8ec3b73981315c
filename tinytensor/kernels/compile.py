"""From a Python function to an object file: Numba's types and LLVM code, our options, our entry from Python.

Numba optimises and emits each helper on its own, code that is thrown away once the helper is inlined; here
a helper stays LLVM code until the kernel around it is optimised.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
from numba import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompilerBase, Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from tinytensor.kernels import power_code, scalar_code  # noqa: F401 — makes Numba know our functions
from tinytensor.kernels.declare import Signature
from tinytensor.kernels.load import NATIVE, PYTHON
from tinytensor.kernels.wrap import wrapper

__all__ = ["compile_kernel"]

SCALARS = {
    **{
        f"{sign}int{bits}": getattr(types, f"{sign}int{bits}")
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
    "float32": types.float32,
    "float64": types.float64,
}


def numba_type(kind: str) -> Any:
    """Numba's name of a kind."""
    if kind.endswith("*"):
        return types.CPointer(numba_type(kind[:-1]))
    long = {"i": "int", "u": "uint", "f": "float"}
    if kind == "data":
        return types.int64
    return types.void if kind == "void" else SCALARS[long[kind[0]] + kind[1:]]


class Linked(JITCodeLibrary):
    """Code that others are made from; it is optimised and emitted only if its own address is asked for."""

    emitted = False

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """The address of a function, 0 if there is none of that name."""
        self._ensure_finalized()
        if name not in {each.name for each in self.get_defined_functions()}:
            return 0
        if not self.emitted:
            self.emitted = True
            super()._optimize_final_module()
            super()._finalize_final_module()
        return super().get_pointer_to_function(name)  # type: ignore[no-any-return]


@contextlib.contextmanager
def linked_only() -> Iterator[Any]:
    """Let Numba make helpers that are only linked; the code generator that makes them."""
    codegen = cpu_target.target_context.codegen()
    set_env = codegen.set_env

    def set_env_if_emitted(name: str, env: Any) -> None:
        if codegen._engine.is_symbol_defined(name):
            set_env(name, env)

    codegen._library_class, codegen.set_env = Linked, set_env_if_emitted
    try:
        yield codegen
    finally:
        del codegen._library_class, codegen.set_env


def flags(runtime: bool) -> Flags:
    """Numba's options of a kernel: no wrappers, nothing emitted; without its runtime nothing is allocated."""
    found = Flags()
    found.nrt = runtime
    found.error_model = "numpy"
    found.no_compile = found.no_cpython_wrapper = found.no_cfunc_wrapper = True
    return found


def compile_kernel(
    name: str, signature: Signature, body: Callable[..., Any], runtime: bool = False,
    pipeline: type[CompilerBase] = Compiler,
) -> bytes:  # fmt: skip
    """The object file of a kernel; `runtime`: whether it may need Numba's, as a user's function does."""
    arguments, result = tuple(map(numba_type, signature.arguments)), numba_type(signature.result)
    context = cpu_target.target_context
    with global_compiler_lock, linked_only() as codegen:
        context.refresh()
        cpu_target.typing_context.refresh()
        compiled = compile_extra(
            cpu_target.typing_context, context, body, arguments, result, flags(runtime), {},
            pipeline_class=pipeline,
        )  # fmt: skip
        library, native = compiled.library, compiled.fndesc.llvm_func_name
        kind = context.call_conv.get_function_type(result, arguments)
        library.add_ir_module(wrapper(library.create_ir_module(name), native, kind, signature, name))
        return emit(library, codegen, native, runtime)


def emit(library: Linked, codegen: Any, native: str, runtime: bool) -> bytes:
    """Link, optimise and translate to machine code."""
    module = library._final_module
    for helper in dict.fromkeys(library._linking_libraries):
        module.link_in(helper._get_module_for_linking(), preserve=True)
    function = module.get_function(native)
    function.name = NATIVE
    function.add_function_attribute("noinline")  # into its entry from Python: it is there once, then
    for each in module.functions:
        if not each.is_declaration and each.name not in (NATIVE, PYTHON):
            each.linkage = llvm.Linkage.internal
    JITCodeLibrary._optimize_final_module(library)
    module.verify()
    declared = [each.name for each in module.functions if each.is_declaration]
    missing = [name for name in declared if name.startswith(("NRT_", "numba_"))]
    if missing and not runtime:
        raise AssertionError(f"a kernel allocates or raises: it calls {', '.join(missing)}")
    return codegen._tm.emit_object(module)  # type: ignore[no-any-return]
