"""Kernels that are declared without Numba, loaded from the cache, and called as built-in functions."""

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from tinytensor.kernels import declare, load
from tinytensor.kernels.declare import Kernel, Signature, kernel, kernels, parse


def add_squares(a, x, y, n):
    for i in range(n):
        y[i] += x[i] * x[i]
    return a + n


def kernel_of(body, signature, name="a.test"):
    return Kernel(name, signature, lambda: body, cached=False)


@pytest.fixture(scope="module")
def squares():
    return kernel_of(add_squares, "i64(i64, f32*, f32*, i64)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("void()", ("void", ())),
        ("i64(i64)", ("i64", ("i64",))),
        ("void(data, i64)", ("void", ("data", "i64"))),
        ("void(f32*, u8*, f64, i32*)", ("void", ("f32*", "u8*", "f64", "i32*"))),
    ],
)
def test_a_signature_is_read(text, expected):
    assert parse(text) == Signature(*expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "i64",
        "f32(i64)",
        "void(i32)",
        "void(bool)",
        "void(i64 f32*)",
        "void(f16*)",
        "void(i64, )",
        "data()",
    ],
)
def test_another_signature_is_refused(text):
    with pytest.raises(ValueError, match="expected a signature such as"):
        parse(text)


def test_pointers_are_arrays_or_addresses(squares):
    x, y = np.arange(6, dtype=np.float32), np.ones(6, np.float32)
    assert squares(5, x, y, 6) == 11
    assert squares(-7, x.ctypes.data, y.ctypes.data, 6) == -1
    assert squares(np.int64(1), x[2:], y, 0) == 1
    assert np.array_equal(y, 1 + 2 * x**2)
    squares(0, x[::-1], y[3:], 1)  # a reversed array begins with its last element
    assert y[3] == 1 + 2 * 9 + 25


def test_data_are_arrays_or_addresses_as_numbers():
    compiled = kernel_of(lambda a, b: b - a, "i64(data, data)")
    x = np.zeros(8)
    assert compiled(x, x[3:]) == 24
    assert compiled(x.ctypes.data, x[1:]) == 8


def test_subclasses_of_arrays_are_arrays(squares, tmp_path):
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=5)
    x[:] = range(5)
    y = np.zeros(5, np.float32)
    squares(0, x, y, 5)
    assert np.array_equal(y, np.square(x))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((1, 2, 3), "a.test takes 4 arguments"),
        ((), "a.test takes 4 arguments"),
        ((1, 2, 3, 4, 5), "a.test takes 4 arguments"),
        (("1", 2, 3, 0), "integer"),
        ((1, 2.5, 3, 0), "integer"),
        ((1, None, 3, 0), "integer"),
    ],
)
def test_other_arguments_are_refused(squares, arguments, said):
    with pytest.raises(TypeError, match=said):
        squares(*arguments)
    with pytest.raises(OverflowError):
        squares(2**64, 0, 0, 0)


def test_minus_one_is_a_number_like_others(squares):
    assert squares(-1, 0, 0, 0) == -1


def test_numbers_of_every_kind_and_no_result():
    def store(y, z, a, b):
        y[0], z[0] = a, b

    y, z = np.zeros(1, np.float32), np.zeros(1)
    stored = kernel_of(store, "void(f32*, f64*, f32, f64)")
    before = sys.getrefcount(None)
    for _ in range(1000):
        assert stored(y, z, 0.1, -1) is None
    assert sys.getrefcount(None) - before < 500  # neither lost nor added
    assert (y[0], z[0]) == (np.float32(0.1), -1.0)
    stored(y, z, -1.0, 0.1)
    assert (y[0], z[0]) == (-1.0, 0.1)


def test_without_arrays_that_can_be_read(monkeypatch, squares):
    monkeypatch.setattr(load, "arrays_begin_with_data", lambda: False)
    slow = load.load("slow", squares.object_file())
    x, y = np.arange(4, dtype=np.float32), np.zeros(4, np.float32)
    assert slow.function(0, x, y, 4) == 4
    assert np.array_equal(y, x * x)


def test_the_self_check_of_arrays():
    assert load.arrays_begin_with_data()


def test_the_address_is_numbas_native_function(squares):
    native = ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_void_p] * 2, ctypes.c_int64
    )(squares.address)
    x, y, result, raised = (
        np.ones(2, np.float32),
        np.zeros(2, np.float32),
        ctypes.c_int64(),
        ctypes.c_void_p(),
    )
    status = native(ctypes.addressof(result), ctypes.addressof(raised), 40, x.ctypes.data, y.ctypes.data, 2)
    assert (status, result.value, y.tolist()) == (0, 42, [1, 1])


def test_what_is_raised_inside_is_an_error_of_ours():
    def picky(x):
        if x[0] > 3:
            raise ValueError("too large")

    compiled = kernel_of(picky, "void(f64*)")
    compiled(np.ones(1))
    with pytest.raises(RuntimeError, match=r"a\.test: a function in it raised"):
        compiled(np.full(1, 4.0))


def test_a_kernel_that_allocates_does_not_compile():
    def allocate(x, n):
        y = np.empty(n)
        x[0] = y[0]

    from numba.core.errors import NumbaError

    from tinytensor.kernels.compile import compile_kernel

    with pytest.raises((NumbaError, AssertionError, NotImplementedError)):
        compile_kernel("a.test", parse("void(f64*, i64)"), allocate)


def test_other_threads_run_meanwhile():
    from tests.kernels.waiting import wait

    waiting = kernel_of(wait, "void(i64*)")
    box = np.ones(1, np.int64)
    waiting(box)
    box[0] = 0
    thread = threading.Thread(target=waiting, args=(box,), daemon=True)
    thread.start()
    box[0] = 1
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_threads_that_need_a_kernel_at_once_load_it_once(monkeypatch):
    loaded = []
    original = load.load
    monkeypatch.setattr(load, "load", lambda *args: loaded.append(args) or original(*args))
    compiled = kernel_of(add_squares, "i64(i64, f64*, f64*, i64)")
    threads = [threading.Thread(target=compiled, args=(0, 0, 0, 0)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(loaded) == 1


def test_a_name_and_signature_stand_for_one_kernel(monkeypatch):
    monkeypatch.setattr(declare, "kernels", {})
    declared = kernel("team.serve", "i64(i64)")
    assert declare.kernels == {("team.serve", "i64(i64)"): declared}
    kernel("team.serve", "i64(f32*)")
    with pytest.raises(ValueError, match=r"two kernels are team\.serve"):
        kernel("team.serve", "i64(i64)")
    assert kernels is not declare.kernels


def test_kernels_of_one_name_do_not_disturb_each_other():
    first = kernel_of(lambda a: a + 1, "i64(i64)", "same")
    assert first(1) == 2
    address = first.address
    second = kernel_of(lambda a: a * 10, "i64(i64)", "same")
    assert second(1) == 10
    assert first(1) == 2
    assert first.address == address != second.address
    native = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    for each, expected in ((first, 8), (second, 70)):
        result, raised = ctypes.c_int64(), ctypes.c_void_p()
        native(each.address)(ctypes.addressof(result), ctypes.addressof(raised), 7)
        assert result.value == expected


SCRIPT = """
import sys
import numpy as np
from tinytensor.kernels.declare import Kernel

def body():
    def double(x, n):
        for i in range(n):
            x[i] *= 2
    return double

x = np.ones(3)
Kernel("a.test", "void(f64*, i64)", body)(x, 3)
assert x.tolist() == [2, 2, 2]
print("numba" in sys.modules)
"""


def test_a_second_process_does_not_import_numba(tmp_path):
    env = os.environ | {"TINYTENSOR_CACHE": str(tmp_path)}

    def process():
        command = [sys.executable, "-c", SCRIPT]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    assert [process(), process()] == ["True\n", "False\n"]
