"""The reference is right, and its bound tells float32 from anything less."""

import numpy as np
import pytest

from benchmarks.networks import (
    AD01,
    CHAPTER,
    EPS,
    INPUTS,
    LARGE,
    MLPERF_TINY,
    NARROW,
    NORMED,
    SMALL,
    Layer,
    Network,
    inputs,
    largest_error,
    missing,
    model,
    normalized,
    reference,
)  # fmt: skip

PIXELS = [(network, kind) for network in (CHAPTER, SMALL, LARGE, *NORMED) for kind in list(INPUTS)[:3]]


@pytest.mark.parametrize(
    ("network", "kind"), [*PIXELS, (NARROW, "dense")], ids=lambda each: getattr(each, "name", each)
)
def test_tinytensor_is_within_the_bound(network, kind):
    x = inputs(kind, 20, network.sizes[0])
    exact, bound = reference(network, x)
    assert exact.dtype == bound.dtype == np.float64
    np.testing.assert_allclose(exact.sum(axis=1), 1, rtol=20 * 2.0**-52)
    assert bound.max() < 0.015, "so wide a bound would let wrong answers pass"
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
    assert [(each.weight.shape, each.bias.shape) for each in network.layers()] == [
        ((4, 3), (4,)),
        ((2, 4), (2,)),
    ]


def test_names_say_what_a_network_has():
    assert [network.name for network in NORMED] == [
        "784-256-256-10 with batch norm",
        "784-256-256-10 with layer norm",
        "784-256-256-256-10 with residuals",
    ]
    assert [network.plain for network in (CHAPTER, NARROW, *NORMED, AD01)] == [True, True, *[False] * 4]


def test_a_residual_network_adds_where_the_widths_agree():
    assert [layer.adds for layer in NORMED[2].layers()] == [False, True, True, False]


def test_a_batch_norm_that_is_folded_is_the_same_layer():
    rng = np.random.default_rng(0)
    weight, x = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    bias, gain, shift, mean = rng.standard_normal((4, 4))
    layer = Layer(weight, bias, (gain, shift, mean, rng.uniform(0.5, 1.5, 4)), "relu", False)
    folded_weight, folded_bias = layer.folded()
    expected, bound = normalized(layer.norm, x @ weight.T + bias, np.zeros((5, 4)))
    # The folded weights are rounded to float32: three products and a sum, each off by u of its size.
    bound += 2.0**-24 * (np.abs(x) @ np.abs(folded_weight.T) + np.abs(folded_bias))
    assert np.all(np.abs(x @ folded_weight.T.astype(float) + folded_bias - expected) <= bound)


def test_layer_norm_by_plain_loops():
    rng = np.random.default_rng(1)
    a, gain, shift = rng.standard_normal((3, 6)), rng.standard_normal(6), rng.standard_normal(6)
    y, bound = normalized((gain, shift), a, np.zeros_like(a))
    for row, found, allowed in zip(a, y, bound, strict=True):
        mean = sum(row) / 6
        deviation = (sum((value - mean) ** 2 for value in row) / 6 + EPS) ** 0.5
        for value, g, s, one, most in zip(row, gain, shift, found, allowed, strict=True):
            assert abs((value - mean) / deviation * g + s - one) <= 1e-6 * most  # float64 against float32's


def test_ad01_is_what_keras_computes():
    if missing(AD01):
        pytest.skip(missing(AD01))
    pytest.importorskip("h5py")
    with np.load(MLPERF_TINY / "ad01_reference.npz") as file:
        x, y = file["x"], file["y"]
    assert largest_error(AD01, x, y) > 0
    assert largest_error(AD01, x, model(AD01, raw=False).predict(x)) > 0
    assert np.array_equal(inputs("spectra", 9, 640)[:8], x)


def test_a_network_without_its_weights_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYTENSOR_AD01", str(tmp_path))
    assert "--folder DIR" in missing(AD01)
    assert missing(CHAPTER) is None
