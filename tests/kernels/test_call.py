"""Kernels that call kernels by address."""

import numpy as np
import pytest
from numba import float64
from numba.extending import intrinsic
from numba.types import CPointer, intp

from tinytensor.kernels.call import call_address
from tinytensor.kernels.declare import Kernel
from tinytensor.kernels.load import KernelRaised

POINTER = CPointer(float64)


def root(x, y, count):
    for i in range(count):
        if x[i] < 0:
            raise ValueError("a negative number")
        y[i] = np.sqrt(x[i])


@intrinsic
def call(typing_context, address, x, y, count):
    return call_address(POINTER, POINTER, intp)


def caller(address, x, y, count):
    call(address, x, y, count)
    y[0] += 1


def test_a_kernel_calls_another_by_its_address():
    callee = Kernel("root", "void(f64*, f64*, i64)", lambda: root, cached=False)
    calls = Kernel("caller", "void(i64, f64*, f64*, i64)", lambda: caller, cached=False)
    y = np.empty(3)
    calls(callee.address, np.array([1.0, 4.0, 9.0]), y, 3)
    assert y.tolist() == [2, 2, 3]
    with pytest.raises(KernelRaised, match="caller: a function in it raised"):
        calls(callee.address, np.array([1.0, -4.0, 9.0]), y, 3)
