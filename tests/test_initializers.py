import math

import numpy as np
import pytest

import tinytensor as tt
from tinytensor import initializers

SHAPE = (400, 300)  # (out, in): fan_in 300, fan_out 400
VARIANCE = {"he": 2 / 300, "xavier": 2 / 700, "lecun": 1 / 300}
COUNT = math.prod(SHAPE)


@pytest.mark.parametrize("family", VARIANCE)
def test_normal_has_the_variance_of_the_formula(family):
    w = initializers.get(f"{family}_normal")(SHAPE, seed=0, dtype="float64").numpy()
    variance = VARIANCE[family]
    # standard errors of a mean and of a variance of normal numbers; six of them, and the seed is fixed
    assert abs(w.mean()) <= 6 * math.sqrt(variance / COUNT)
    assert abs(w.var() - variance) <= 6 * variance * math.sqrt(2 / COUNT)
    # normal, not uniform: 4.55% lie beyond two standard deviations
    beyond = (np.abs(w) > 2 * math.sqrt(variance)).mean()
    assert abs(beyond - 0.0455) <= 6 * math.sqrt(0.0455 * 0.9545 / COUNT)


@pytest.mark.parametrize("family", VARIANCE)
def test_uniform_fills_the_interval_of_the_formula(family):
    w = initializers.get(f"{family}_uniform")(SHAPE, seed=0, dtype="float64").numpy()
    bound = math.sqrt(3 * VARIANCE[family])
    assert np.abs(w).max() <= bound
    # the chance that nobody of 120,000 comes within 2e-4 of an end is e^-12
    assert w.max() >= bound * (1 - 2e-4)
    assert w.min() <= -bound * (1 - 2e-4)
    assert abs(w.mean()) <= 6 * bound / math.sqrt(3 * COUNT)


@pytest.mark.parametrize("name", initializers.names())
def test_every_name(name):
    draw = initializers.get(name)
    w = draw((5, 4), seed=1)
    assert w.shape == (5, 4)
    assert w.dtype == np.float32
    assert draw((5, 4), seed=1, dtype="float64").dtype == np.float64
    assert np.array_equal(w, draw((5, 4), seed=1))
    assert np.array_equal(w, draw((5, 4), seed=2)) == (name in ("zeros", "ones"))
    assert np.array_equal(w, tt.Linear(4, 5, initializer=name, seed=1).weight)


def test_names_are_found_however_they_are_written():
    assert initializers.get("kaiming_normal") is initializers.he_normal
    assert initializers.get("glorot_uniform") is initializers.xavier_uniform
    assert initializers.get("He_Uniform") is initializers.he_uniform
    assert initializers.get(initializers.ones) is initializers.ones


@pytest.mark.parametrize("name", ["he", "best", "", None, "he_normal_", "get"])
def test_unknown_names(name):
    with pytest.raises(tt.ArgumentError, match=r"no initializer is named .*; there are he_normal, "):
        initializers.get(name)


def test_axes_beyond_the_second_count_for_both_fans():
    w = initializers.he_uniform((64, 3, 5, 5), seed=0).numpy()
    assert np.abs(w).max() <= math.sqrt(6 / 75)
    assert np.abs(w).max() > math.sqrt(6 / 75) * 0.99


def test_a_vector_has_no_fans():
    with pytest.raises(tt.ShapeError, match=r"expected a weight of shape \(out, in\), got \(3,\)"):
        initializers.he_normal((3,))


def test_a_generator_goes_on():
    generator = np.random.default_rng(0)
    one, two = (tt.Linear(4, 3, seed=generator).weight for _ in range(2))
    assert not np.array_equal(one, two)


@pytest.mark.parametrize("shape", [3, ..., np.array(3), np.array([[2, 3]]), "ab", [2.5, 3], (3,), [-1, 2]])
def test_what_is_no_shape_of_a_weight_is_refused(shape):
    for name in ("he_normal", "xavier_uniform", "lecun_normal"):
        with pytest.raises(tt.ShapeError, match="expected"):
            initializers.get(name)(shape)


def test_normal_of_a_standard_deviation_has_no_mean():
    w = initializers.normal(SHAPE, seed=0, dtype="float64", std=0.5).numpy()
    assert abs(w.mean()) <= 6 * 0.5 / math.sqrt(COUNT)
    assert abs(w.var() - 0.25) <= 6 * 0.25 * math.sqrt(2 / COUNT)
