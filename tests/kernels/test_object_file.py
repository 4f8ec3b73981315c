"""The loader of object files: it loads what LLVM loads; memory is never both writable and executable."""

import ctypes
import gc
import platform
import struct
import subprocess
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest

from tinytensor.kernels import load, object_file
from tinytensor.kernels.compile import compile_kernel
from tinytensor.kernels.declare import parse
from tinytensor.kernels.native import target_machine

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="elsewhere LLVM loads machine code"
)

PLAIN = """
define i64 @weighed(i64 %x) {
  switch i64 %x, label %other [ i64 0, label %zero  i64 1, label %one  i64 2, label %two
                                i64 3, label %three  i64 4, label %four ]
zero:
  ret i64 70
one:
  ret i64 11
two:
  ret i64 -2
three:
  ret i64 35
four:
  ret i64 4
other:
  %y = call i64 @labs(i64 %x)
  ret i64 %y
}
declare i64 @labs(i64)
"""


def compiled(text, code_model="jitdefault"):
    """The object file of LLVM's assembly for this CPU."""
    target_machine()  # which initializes LLVM
    module = llvm.parse_assembly(text)
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(jit=code_model == "jitdefault", codemodel=code_model)
    return machine.emit_object(module)


def results(address):
    """What `weighed` says of some numbers."""
    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(address)
    return [function(x) for x in (0, 1, 2, 3, 4, 5, -6)]


def loaded(content, name="weighed"):
    return object_file.load(content, (name,), load.ADDRESSES)


def softened(x, y, count):
    for i in range(count):
        y[i] = x[i] / (np.float32(1) + abs(x[i]))


def test_jumps_constants_and_functions_of_libraries():
    content = compiled(PLAIN)
    (mine,), (llvms,) = loaded(content), load.load_by_llvm(content, ("weighed",))
    assert results(mine) == results(llvms) == [70, 11, -2, 35, 4, 5, 6]


def test_a_kernel_and_its_entry_from_python():
    signature = parse("void(f32*, f32*, i64)")
    content = compile_kernel("softened", signature, softened)
    assert loaded(content, load.PYTHON)  # not only by LLVM
    x, y = np.linspace(-3, 3, 100, dtype=np.float32), np.empty(100, np.float32)
    load.load("softened", content).function(x, y, 100)
    assert np.array_equal(y, x / (np.float32(1) + abs(x)))
    with pytest.raises(TypeError):
        load.load("softened", content).function(x, y)


def test_a_function_outlives_what_it_was_loaded_with():
    content = compile_kernel("softened", parse("void(f32*, f32*, i64)"), softened)
    function = load.load("softened", content).function
    gc.collect()
    others = [load.Method(b"another", None, 0, None) for _ in range(1000)]  # in the memory of what is freed
    method = load.Method.from_address(ctypes.c_void_p.from_address(id(function) + object.__basicsize__).value)
    assert (method.name, method.flags, len(others)) == (b"softened", load.METH_FASTCALL, 1000)


def test_memory_with_code_is_not_writable():
    (address,) = loaded(compiled(PLAIN))
    found = []
    with open("/proc/self/maps", encoding="utf-8") as file:
        for line in file:
            span, protection = line.split()[:2]
            begin, end = (int(each, 16) for each in span.split("-"))
            if begin <= address < end:
                found.append(protection)
    assert found == ["r-xp"]


def test_code_stays_when_nothing_refers_to_it():
    (address,) = loaded(compiled(PLAIN))
    others = [loaded(compiled(PLAIN)) for _ in range(20)]
    assert len({address, *(each for (each,) in others)}) == 21
    assert results(address) == [70, 11, -2, 35, 4, 5, 6]


WRITABLE = "@count = global i64 7\n" + PLAIN.replace(
    "define", "define i64 @more() { %x = load i64, ptr @count ret i64 %x }\ndefine", 1
)
UNKNOWN = PLAIN.replace("@labs", "@nobody_has_this")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: compiled(PLAIN, "small"), "a relocation of type"),
        (lambda: compiled(WRITABLE), "a section of type"),
        (lambda: compiled(UNKNOWN), "the symbol nobody_has_this"),
        (lambda: with_machine(compiled(PLAIN), 183), "another system or CPU"),
        (lambda: b"\xfe\xed\xfa\xcf" + bytes(100), "another system or CPU"),
    ],
)
def test_what_it_does_not_know_is_left_to_llvm(content, message):
    with pytest.raises(object_file.Unfamiliar, match=message):
        loaded(content())


def with_machine(content, machine):
    """The same object file, said to be for another CPU."""
    return content[:18] + struct.pack("<H", machine) + content[20:]


def test_llvm_loads_what_has_variables():
    (address,) = load.load_symbols(compiled(WRITABLE), "weighed")
    assert results(address) == [70, 11, -2, 35, 4, 5, 6]


def test_a_system_that_makes_no_memory_executable(monkeypatch):
    content = compiled(PLAIN)
    monkeypatch.setattr(object_file.mmap, "PROT_EXEC", 1 << 30)  # mprotect refuses what it does not know
    with pytest.raises(object_file.Unfamiliar, match="executable"):
        loaded(content)


def test_a_process_ends_while_threads_are_in_loaded_code():
    code = "import tinytensor as tt; tt.set_num_threads(2); x = tt.ones((600, 600)); x @ x"
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
