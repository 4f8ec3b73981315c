"""Scalar functions of several values: eager, fused, stale, wrong."""

import math

import numpy as np
import pytest

import tinytensor as tt
from tests.test_plan import same_bits

FACTOR = 2.0


@tt.elementwise
def gated(x, gate, scale=1.0):
    return scale * x / (1 + math.exp(-gate))


@tt.elementwise
def scaled(x, y):
    return x * FACTOR + y


class Gate(tt.Layer):
    def __init__(self, features):
        self.a, self.b = tt.Linear(features, 5, seed=0), tt.Linear(features, 5, seed=1)

    def forward(self, x):
        return gated(self.a(x), self.b(x), 0.5)


class Scaled(tt.Layer):
    def forward(self, x):
        return scaled(x, 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_element_by_the_formula(dtype):
    rng = np.random.default_rng(0)
    x, gate = rng.standard_normal((4, 1, 7)).astype(dtype), rng.standard_normal((3, 7)).astype(dtype)
    y = gated(x, gate)
    assert y.shape == (4, 3, 7)
    assert y.dtype == dtype
    exact = x.astype(np.longdouble) / (1 + np.exp(-gate.astype(np.longdouble)))
    # exp is 1 ULP off, then a sum, a product by 1 and a division are each rounded: 5 halves of an ULP and 1
    assert np.all(np.abs(y.numpy() - exact) <= 4 * np.finfo(dtype).eps * np.abs(exact))


def test_operands_of_any_kind():
    assert gated([2.0], 0).tolist() == [1.0]
    assert gated(2.0, gate=0.0, scale=3).tolist() == 3.0
    assert gated(tt.Tensor([2], dtype="int32"), 0.0).dtype == np.float64
    assert gated(np.float64([2.0]), tt.Tensor([0.0])).dtype == np.float64


def test_it_is_fused():
    model = tt.Sequential(Gate(6), tt.Linear(5, 2, seed=2))
    x = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    same_bits(model.predict(x), model(x, fused=False))
    assert all(row.fused for row in model.summary(6).rows)


def test_a_global_that_it_reads_may_change(monkeypatch):
    model, x = tt.Sequential(Scaled()), np.ones((3, 2), np.float32)
    assert model.predict(x).max() == 3.0
    monkeypatch.setitem(globals(), "FACTOR", 5.0)
    assert model.predict(x).max() == 6.0
    assert scaled(x, 1.0).numpy().max() == 6.0


def test_what_is_refused():
    for wrong in (lambda x, y: x, 3, print):
        with pytest.raises(tt.ArgumentError, match="define it with def"):
            tt.elementwise(wrong)

    def starred(*x):
        return x

    def texts(x, y="a"):
        return x

    with pytest.raises(tt.ArgumentError, match="1 to 8 values"):
        tt.elementwise(starred)
    with pytest.raises(tt.DtypeError, match=r"y=…"):
        tt.elementwise(texts)
    with pytest.raises(tt.ArgumentError, match="gated"):
        gated([1.0])
    with pytest.raises(tt.ShapeError):
        gated(np.ones(2), np.ones(3))


def test_one_to_eight_operands():
    def none():
        return 1.0

    def one(a):
        return a + 1

    def eight(a, b, c, d, e, f, g, h):
        return a + b + c + d + e + f + g - h

    def nine(a, b, c, d, e, f, g, h, i):
        return a

    assert tt.elementwise(one)([1.0, 2.0]).tolist() == [2, 3]
    assert tt.elementwise(eight)([1.0], 2, 3, 4, 5, 6, 7, 8).tolist() == [20]
    for wrong in (none, nine):
        with pytest.raises(tt.ArgumentError, match="1 to 8 values"):
            tt.elementwise(wrong)
