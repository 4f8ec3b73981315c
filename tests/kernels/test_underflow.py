"""Where a result is a normal number, nothing on the way to it is subnormal: such an operation takes some 100
cycles. The CPU's own flag tells: it is set by a result that is rounded below the normal numbers."""

import ctypes
import platform
import sys

import numpy as np
import pytest

import tinytensor as tt
from benchmarks.ulp import expm1, log1p
from tests.strategies import FLOATS
from tinytensor.operators import activations as others

FE_UNDERFLOW = 16  # of x86-64

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the flag has another number"
)


FUNCTIONS = {
    "sigmoid": tt.sigmoid, "tanh": tt.tanh, "elu": tt.elu, "selu": tt.selu, "swish": tt.swish,
    "softplus": tt.softplus, "mish": tt.mish, "gelu": tt.gelu, "gelu_tanh": tt.GELU("tanh"), "exp": tt.exp,
    "erf": tt.erf, "expm1": expm1, "log1p": log1p, "celu": others.celu, "scaled_elu": others.scaled_elu,
    "softsign": others.softsign, "hard_swish": tt.hard_swish,
}  # fmt: skip
TINY = {"sigmoid", "elu", "selu", "softplus", "exp", "erf", "expm1", "log1p", "celu", "scaled_elu", "gelu"}


def underflows(function, x):
    """Whether something becomes subnormal, or is rounded to 0, while a function is computed."""
    c = ctypes.CDLL(None)
    function(x)  # compiles it
    c.feclearexcept(FE_UNDERFLOW)
    function(x)
    return c.fetestexcept(FE_UNDERFLOW) != 0


def normal(function, x):
    """Those of x whose results are normal numbers, 16 times as large as the least."""
    y = np.abs(function(x).numpy())
    return x[np.isfinite(y) & (y > 16 * np.finfo(x.dtype).tiny)]


def test_the_flag_is_seen():
    assert underflows(tt.exp, np.full(64, -90, np.float32))
    assert not underflows(tt.exp, np.full(64, -80, np.float32))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_normal_result_has_no_subnormal_numbers_on_the_way(name, dtype):
    function = FUNCTIONS[name]
    far = np.geomspace(1.0, 1e15 if name in ("gelu_tanh", "hard_swish") else 1e30, 4000)
    near = np.linspace(1e-3, 800, 8000)
    x = np.concatenate([far, -far, near, -near]).astype(dtype)
    assert not underflows(function, normal(function, x))


@pytest.mark.parametrize("name", sorted(TINY))
def test_squares_of_small_numbers_are_not_subnormal(name):
    """1e-20 squared is, in float32."""
    x = np.geomspace(1e-19, 1e-23, 1000).astype(np.float32)
    assert not underflows(FUNCTIONS[name], np.concatenate([x, -x]))


@pytest.mark.parametrize("axis", [0, 1])
def test_classes_far_below_the_largest_do_not_slow_down_a_logarithm_of_softmax(axis):
    x = np.random.default_rng(0).uniform(-200, 0, (600, 600)).astype(np.float32)
    x[0] = x[:, 0] = 0
    assert not underflows(lambda x: tt.LogSoftmax(axis=axis)(x), x)
