"""The chapter's network, three layers of neurons, as the chapter writes it down."""

import numpy as np

import tinytensor as tt

# Saitō, section 3.4: 2 - 3 - 2 - 2, W as (in, out).
W1, B1 = np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]), np.array([0.1, 0.2, 0.3])
W2, B2 = np.array([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]), np.array([0.1, 0.2])
W3, B3 = np.array([[0.1, 0.3], [0.2, 0.4]]), np.array([0.1, 0.2])
X = np.array([1.0, 0.5])
EPS = np.finfo(np.float64).eps


def chapter_network():
    return tt.Sequential(
        ("affine1", tt.Affine.of(W1.T, B1)), ("h1", tt.sigmoid),
        ("affine2", tt.Affine.of(W2.T, B2)), ("h2", tt.sigmoid),
        ("affine3", tt.Affine.of(W3.T, B3)), ("identity", tt.identity),
    )  # fmt: skip


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_three_layer_network():
    network = chapter_network()
    seen = network.outputs(X)
    # values printed in the book, to the digits that are printed
    assert np.round(seen["affine1"].numpy(), 8).tolist() == [0.3, 0.7, 1.1]
    assert np.round(seen["h1"].numpy(), 8).tolist() == [0.57444252, 0.66818777, 0.75026011]
    assert np.round(seen["affine2"].numpy(), 8).tolist() == [0.51615984, 1.21402696]
    assert np.round(seen["h2"].numpy(), 8).tolist() == [0.62624937, 0.7710107]
    assert np.round(network(X).numpy(), 8).tolist() == [0.31682708, 0.69627909]


def test_the_layers_formulas():
    # a = Wx + b with W of (out, in), layer by layer; all values lie below 2, each sum has at most 3 terms
    # and each of 3 layers at most 8 roundings, a sigmoid (slope ≤ ¼) included
    z1 = sigmoid(W1.T @ X + B1)
    z2 = sigmoid(W2.T @ z1 + B2)
    y = W3.T @ z2 + B3
    assert np.abs(chapter_network()(X).numpy() - y).max() <= 3 * 8 * EPS


def test_a_batch_is_the_samples_one_by_one():
    network = chapter_network()
    batch = np.stack([X, 2 * X, -X])
    assert np.array_equal(network.predict(batch), np.stack([network(x).numpy() for x in batch]))


def test_the_network_of_the_digits_gives_probabilities():
    # Affine → Sigmoid → Affine → Sigmoid → Affine → Softmax
    network = tt.Sequential(
        tt.Affine(784, 50, seed=0), tt.sigmoid, tt.Affine(50, 100, seed=1), tt.sigmoid,
        tt.Affine(100, 10, seed=2), tt.softmax,
    )  # fmt: skip
    p = network.predict(np.random.default_rng(0).integers(0, 256, (20, 784), np.uint8) / np.float32(255))
    assert p.shape == (20, 10)
    assert (p >= 0).all()
    # ten terms, each rounded when divided, summed in float64
    assert (np.abs(p.sum(axis=1, dtype=np.float64) - 1) <= 11 * np.finfo(np.float32).eps).all()
