"""What a kernel's body may call, and with which options it is compiled."""

import numpy as np

from tinytensor.kernels._jit import by_dtype, inline, subroutine
from tinytensor.kernels.declare import Kernel


def kernel(body, signature):
    return Kernel("for a test", signature, lambda: body, cached=False)


def test_arithmetic_is_numpys():
    def divide(x, y, count):
        for i in range(count):
            y[i] = 1 / x[i]

    x = np.array([0.0, -0.0, np.nan, 5e-324, 2.0])
    y = np.empty_like(x)
    kernel(divide, "void(f64*, f64*, i64)")(x, y, x.size)
    with np.errstate(all="ignore"):
        assert np.array_equal(y, 1 / x, equal_nan=True)


def test_subroutines_are_compiled_once_for_constants_and_variables():
    @subroutine
    def add(x, n):
        x[0] += n

    def calls(x, n):
        add(x, n)
        add(x, 3)
        add(x, 4)

    x = np.zeros(1)
    kernel(calls, "void(f64*, i64)")(x, 5)
    assert x[0] == 12
    assert len(add.overloads) == 1


def test_by_dtype_chooses_by_the_first_argument():
    def stub(x, y):
        raise NotImplementedError

    chosen = by_dtype(stub)(inline(lambda x, y: x + y), inline(lambda x, y: x - y))
    assert chosen is stub

    def calls(x, y):
        y[0] = stub(x[0], x[1])

    for short, dtype, expected in (("f32", np.float32, 5), ("f64", np.float64, 1)):
        y = np.empty(1, dtype)
        kernel(calls, f"void({short}*, {short}*)")(np.array([3, 2], dtype), y)
        assert y[0] == expected


def test_in_python_a_part_is_the_function_that_it_was_made_of():
    assert inline(lambda x: x + 1)(2) == 3
    assert subroutine(lambda x: [x])("a") == ["a"]


def test_a_helper_is_emitted_only_when_python_calls_it():
    import numba

    @numba.njit
    def shared(x):
        return x + 1

    def body(x):
        x[0] = shared(x[0])

    x = np.zeros(1)
    kernel(body, "void(f64*)")(x)
    assert x[0] == 1
    assert shared(1.0) == 2.0  # compiled for a kernel, then called from Python
    assert shared(1) == 2
