"""The activations that other programs have."""

import math

import numpy as np
import pytest

from tests.naive import unit_roundoff, within
from tinytensor.operators import activations

X = np.concatenate([np.linspace(-30, 30, 2001), [0.0, -0.0, 1e-30, -1e-30, 1e30, -1e30]]).astype(np.float32)

FORMULAS = {
    "celu": ({"alpha": 2.0}, lambda x: x if x >= 0 else 2 * math.expm1(x / 2)),
    "softsign": ({}, lambda x: x / (1 + abs(x))),
    "thresholded_relu": ({"alpha": 0.5}, lambda x: x if x > 0.5 else 0.0),
    "clip": ({"low": -1.0, "high": 2.0}, lambda x: min(max(x, -1.0), 2.0)),
    "clipped_linear": ({"alpha": 0.25, "beta": 0.5}, lambda x: min(max(0.25 * x + 0.5, 0.0), 1.0)),
    "scaled_elu": ({"alpha": 2.0, "gamma": 0.5}, lambda x: 0.5 * (x if x >= 0 else 2 * math.expm1(x))),
    "exponential": ({}, lambda x: math.exp(min(x, 88.7))),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_formula(name):
    parameters, formula = FORMULAS[name]
    x = np.minimum(X, 88.0) if name == "exponential" else X
    y = getattr(activations, name)(x, **parameters)
    expected = np.array([formula(float(each)) for each in x])
    # at most 1.5 ULP (3 u) of the function inside, and two more roundings; beta adds its own
    size = np.abs(expected) + (0.25 * np.abs(x) + 0.5 if name == "clipped_linear" else 0)
    within(y, expected, 5 * unit_roundoff(np.float32) * size + 2.0**-149)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_ends(name):
    function = getattr(activations, name)
    assert np.isnan(function(np.nan).item())
    low, high = function([-np.inf, np.inf]).tolist()
    assert not math.isnan(low)
    assert not math.isnan(high)
