"""Kernels that call kernels by address."""

import numpy as np
import pytest
from numba import float64
from numba.extending import intrinsic
from numba.types import intp, void

from tinytensor.kernels._jit import Kernel, array, out
from tinytensor.kernels.call import address_of, call_address

CALLEE = void(array(float64, 1), out(float64, 1))


def root(x, y):
    for i in range(x.size):
        if x[i] < 0:
            raise ValueError("a negative number")
        y[i] = np.sqrt(x[i])


@intrinsic
def call(typing_context, address, x, y):
    return call_address(*CALLEE.args)


def caller(address, x, y):
    call(address, x, y)
    y[0] += 1


def test_a_kernel_calls_another_by_its_address():
    callee = Kernel(root, "root", (CALLEE,), cached=False)
    calls = Kernel(caller, "caller", (void(intp, *CALLEE.args),), cached=False)
    address, y = address_of(callee, CALLEE), np.empty(3)
    assert address == address_of(callee, CALLEE)
    calls(address, np.array([1.0, 4.0, 9.0]), y)
    assert y.tolist() == [2, 2, 3]
    with pytest.raises(ValueError, match="a negative number"):
        calls(address, np.array([1.0, -4.0, 9.0]), y)
