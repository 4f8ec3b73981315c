"""The reference is right, and its bound tells float32 from anything less."""

import numpy as np
import pytest

from benchmarks.networks import (
    CHAPTER,
    INPUTS,
    LARGE,
    SMALL,
    Network,
    inputs,
    largest_error,
    model,
    reference,
)  # fmt: skip


@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("network", [CHAPTER, SMALL, LARGE], ids=lambda n: n.name)
def test_tinytensor_is_within_the_bound(network, kind):
    x = inputs(kind, 20)
    exact, bound = reference(network, x)
    assert exact.dtype == bound.dtype == np.float64
    np.testing.assert_allclose(exact.sum(axis=1), 1, rtol=20 * 2.0**-52)
    assert bound.max() < 0.005, "so wide a bound would let wrong answers pass"
    assert largest_error(network, x, model(network, x.dtype == np.uint8).predict(x)) <= bound.max()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda y: (y.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32),
        lambda y: y[:, ::-1],
        lambda y: np.where(y == y.max(), np.nan, y),
        lambda y: y + np.float32(0.01),
    ],
    ids=["bfloat16", "other classes", "a NaN", "off by 1%"],
)
def test_a_wrong_answer_is_found(spoil):
    x = inputs("dense", 20)
    right = reference(CHAPTER, x)[0].astype(np.float32)
    with pytest.raises(ArithmeticError, match="wrong answer: off by"):
        largest_error(CHAPTER, x, spoil(right))


def test_an_answer_of_another_shape_is_wrong():
    with pytest.raises(ArithmeticError, match=r"shape \(19, 10\) for 20 rows"):
        largest_error(CHAPTER, inputs("digits", 20), np.zeros((19, 10), np.float32))


def test_the_chapters_network_is_the_trained_one():
    import tinytensor as tt

    pixels, labels = tt.datasets.mnist("sample")
    x = inputs("uint8", 100)
    if np.array_equal(x, pixels[:100].reshape(-1, 784)):  # else $TINYTENSOR_DATA names other digits
        assert (reference(CHAPTER, x)[0].argmax(axis=1) == labels[:100]).mean() > 0.9


def test_inputs():
    assert inputs("uint8", 30).dtype == np.uint8
    assert inputs("digits", 30).max() == 1
    assert (inputs("digits", 30) == 0).mean() > 0.5
    assert inputs("dense", 30, 5).min() > 0
    assert inputs("digits", 12_345).shape == (12_345, 784)


def test_work():
    network = Network((3, 4, 2), "relu")
    assert (network.name, network.flop, network.parameters) == ("3-4-2", 40, 26)
    assert [(w.shape, b.shape) for w, b in network.layers()] == [((4, 3), (4,)), ((2, 4), (2,))]
