"""Machine code from LLVM, without Numba: modules of one function each, compiled for this CPU and kept."""

import os
from functools import cache, lru_cache
from typing import Any

from tinytensor.kernels.cache import kept
from tinytensor.kernels.declare import lock
from tinytensor.kernels.load import load_symbols

__all__ = ["address", "compile_module", "target_machine"]


def target_machine(triple: str = "", cpu: str = "", features: str = "") -> Any:
    """LLVM's compiler for a CPU, by default for this one (or what `NUMBA_CPU_NAME` and `_FEATURES` say)."""
    import llvmlite.binding as llvm

    if triple:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        return llvm.Target.from_triple(triple).create_target_machine(cpu, features, 3, jit=True)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name = os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()
    found = os.environ.get("NUMBA_CPU_FEATURES")
    if found is None:
        found = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(name, found, 3, jit=True)


def compile_module(module: Any, machine: Any) -> Any:
    """Optimized LLVM code of a module."""
    import llvmlite.binding as llvm

    from tinytensor.kernels.vector import VECTOR_LETTERS, VECTOR_REGISTER

    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    letter = VECTOR_LETTERS.get(machine.triple.partition("-")[0], VECTOR_REGISTER)
    parsed = llvm.parse_assembly(str(module).replace(VECTOR_REGISTER, letter))
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_unrolling = False  # a step of a tile fills the CPU's window as it is
    options.loop_vectorization = options.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    return parsed


@cache
def this_machine() -> Any:
    """LLVM's compiler for this CPU."""
    return target_machine()


@lru_cache(maxsize=None, typed=True)  # as tuples, specs of two kinds may be equal
def address(spec: Any) -> int:
    """Where the machine code of spec.build(), a function called spec.name, starts."""

    def compiled() -> bytes:
        machine = this_machine()
        return machine.emit_object(compile_module(spec.build(), machine))  # type: ignore[no-any-return]

    with lock:
        return load_symbols(kept(f"{spec.name} native", compiled), spec.name)[0]
