"""Kernels: compiled lazily, for their declared signatures only, whatever arrays come."""

import threading

import numba.core.event
import numpy as np
import pytest
from numba import float32, float64
from numba.extending import intrinsic
from numba.types import intp, void

from tests.kernels.test_cache import Compilations
from tinytensor.kernels._jit import Kernel, array, by_dtype, inline, kernel, kernels, out, strided, subroutine

BOTH = tuple(void(strided(t, 2), out(t, 2)) for t in (float32, float64))


def double(x, y):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            y[i, j] = 2 * x[i, j]


def new_kernel(function=double, signatures=BOTH):
    return Kernel(function, "for a test", signatures, cached=False)


@pytest.fixture
def compilations():
    listener = Compilations()
    with numba.core.event.install_listener("numba:compile", listener):
        yield listener


def test_nothing_is_compiled_before_it_is_needed(compilations):
    compiled = new_kernel()
    assert compilations.count == 0
    compiled(np.ones((2, 2)), np.ones((2, 2)))
    assert compilations.count == 1
    assert [args[0].dtype for args in compiled.overloads] == [float64]


def test_one_compilation_serves_every_layout(compilations):
    compiled = new_kernel()
    wide = np.arange(48, dtype=np.float32).reshape(6, 8)
    read_only = wide.copy()
    read_only.flags.writeable = False
    repeated = np.broadcast_to(wide[:1], (6, 8))
    for x in (
        wide,
        wide.T,
        wide[::2],
        wide[:, ::2],
        wide[::-1, ::-1],
        read_only,
        read_only.T,
        repeated,
        wide[:0],
    ):
        y = np.empty(x.shape, np.float32)
        for _ in range(2):
            compiled(x, y)
            assert np.array_equal(y, 2 * x)
    assert compilations.count == 1
    assert len(compiled.overloads) == 1


def test_arguments_of_the_declared_types_are_found_at_once(monkeypatch):
    misses = []
    resolve = Kernel._compile_for_args
    monkeypatch.setattr(Kernel, "_compile_for_args", lambda *args: misses.append(args) or resolve(*args))
    compiled = new_kernel(lambda n, y: None, (void(intp, out(float32, 1)),))
    for _ in range(3):
        compiled(1, np.ones(3, np.float32))
    assert len(misses) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (np.ones((2, 2), np.int32), np.ones((2, 2))),
        (np.ones((2, 2), np.float32), np.ones((2, 2))),
        (np.ones(2), np.ones((2, 2))),
        (np.ones((2, 2)), np.ones((2, 4))[:, ::2]),
        (1.0, 2.0),
    ],
)
def test_what_was_not_declared_is_refused(arguments):
    with pytest.raises(TypeError, match=r"kernel for a test takes \(.*float32.*float64.*\), got \("):
        new_kernel()(*arguments)


def test_an_output_must_be_writable():
    y = np.ones((2, 2))
    y.flags.writeable = False
    with pytest.raises(TypeError, match="kernel for a test takes"):
        new_kernel()(np.ones((2, 2)), y)


def test_a_c_function_takes_what_the_kernel_takes(compilations):
    compiled = new_kernel()
    call = compiled.entry_point(compiled.declared[0])
    x, y = np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2], np.empty((2, 2), np.float32)
    x.flags.writeable = False
    call(x, y)
    assert np.array_equal(y, 2 * x)
    assert call is compiled.entry_point(compiled.declared[0])
    assert compilations.count == 1


def test_threads_that_need_the_same_kernel_at_once(compilations):
    compiled, barrier, failures = new_kernel(), threading.Barrier(8), []

    def call(dtype):
        x, y = np.ones((3, 3), dtype), np.empty((3, 3), dtype)
        barrier.wait()
        try:
            compiled(x.T, y)
            assert np.array_equal(y, 2 * x)
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=call, args=(dtype,)) for dtype in (np.float32, np.float64) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert compilations.count == 2


@intrinsic
def seen(typing_context, x):
    """x[0] as it is now: LLVM would read it once before the loop and never again."""

    def generate(context, builder, signature, values):
        array = context.make_array(signature.args[0])(context, builder, values[0])
        return builder.load_atomic(array.data, "monotonic", 8)

    return float64(x), generate


def test_other_threads_run_meanwhile():
    @inline
    def wait(x):
        while seen(x) == 0:  # another thread has to write there, so it must not need the interpreter's lock
            x[1] += 1

    waiting = new_kernel(lambda x: wait(x), (void(out(float64, 1)),))
    waiting(np.ones(2))
    x = np.zeros(2)
    thread = threading.Thread(target=waiting, args=(x,), daemon=True)
    thread.start()
    x[0] = 1
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_arithmetic_is_numpys():
    def divide(x, y):
        for i in range(x.size):
            y[i] = 1 / x[i]

    x = np.array([0.0, -0.0, np.nan, 5e-324, 2.0])
    y = np.empty_like(x)
    new_kernel(divide, (void(array(float64, 1), out(float64, 1)),))(x, y)
    with np.errstate(all="ignore"):
        assert np.array_equal(y, 1 / x, equal_nan=True)


def test_a_name_stands_for_one_kernel():
    assert kernels["gemm"].kernel_name == "gemm"
    with pytest.raises(ValueError, match="two kernels are named 'gemm'"):
        kernel("gemm", *BOTH)(double)


def test_parts_are_compiled_once_for_constants_and_variables():
    @subroutine
    def add(x, n):
        x[0] += n

    def calls(x, n):
        add(x, n)
        add(x, 3)
        add(x, 4)

    x = np.zeros(1)
    new_kernel(calls, (void(out(float64, 1), intp),))(x, 5)
    assert x[0] == 12
    assert len(add.overloads) == 1


def test_by_dtype_chooses_by_the_first_argument():
    def stub(x, y):
        raise NotImplementedError

    chosen = by_dtype(stub)(inline(lambda x, y: x + y), inline(lambda x, y: x - y))
    assert chosen is stub

    def calls(x, y):
        y[0] = stub(x[0], x[1])

    compiled = new_kernel(calls, tuple(void(array(t, 1), out(t, 1)) for t in (float32, float64)))
    for dtype, expected in ((np.float32, 5), (np.float64, 1)):
        y = np.empty(1, dtype)
        compiled(np.array([3, 2], dtype), y)
        assert y[0] == expected
