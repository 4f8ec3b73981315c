import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tinytensor.kernels import layer as kernel_layer

lengths = st.integers(1, 40)


def gamma(roundings, dtype):
    """n·u / (1 - n·u): Higham, Accuracy and stability of numerical algorithms, section 3.1."""
    unit = np.finfo(dtype).eps / 2
    return roundings * unit / (1 - roundings * unit)


def affine_by_loops(x, weight, bias):
    """bias_i + Σ_k x_k w_ik by multiplication and addition in float64, k ascending."""
    rows, (outs, ins) = x.reshape(-1, x.shape[-1]).astype(np.float64), weight.shape
    y = np.zeros((len(rows), outs))
    for r in range(len(rows)):
        for i in range(outs):
            total = 0.0 if bias is None else float(bias[i])
            for k in range(ins):
                total += float(rows[r, k]) * float(weight[i, k])
            y[r, i] = total
    return y.reshape(*x.shape[:-1], outs)


@given(
    ins=lengths, outs=st.integers(1, 20), bias=st.booleans(), seed=st.integers(0, 99),
    batch=st.sampled_from([(), (1,), (7,), (0,), (2, 3), (0, 2), (1, 2, 2)]),
    dtype=st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_linear_is_a_weight_and_a_bias(ins, outs, bias, seed, batch, dtype):
    layer = tt.Linear(ins, outs, bias=bias, seed=seed, dtype=dtype)
    if bias:
        layer.bias = tt.normal(outs, seed=seed, dtype=dtype)
    x = tt.normal((*batch, ins), seed=seed + 1, dtype=dtype)
    y = layer(x)
    assert y.shape == (*batch, outs)
    assert y.dtype == dtype

    w, b = layer.weight.numpy(), layer.bias.numpy() if bias else None
    expected = affine_by_loops(x.numpy(), w, b)
    # one rounding for each fma here, two for each k in the oracle, and those of `size` itself
    size = affine_by_loops(np.abs(x.numpy()), np.abs(w), None if b is None else np.abs(b))
    bound = (gamma(ins, dtype) + 2 * gamma(2 * ins, "float64")) * size
    assert (np.abs(y.numpy() - expected) <= bound).all()


@given(ins=lengths, outs=lengths, rows=st.integers(1, 70), seed=st.integers(0, 99))
def test_a_row_has_the_same_bits_in_every_batch(ins, outs, rows, seed):
    layer = tt.Linear(ins, outs, seed=seed)
    x = tt.normal((rows, ins), seed=seed)
    whole = layer(x).numpy()
    assert np.array_equal(whole, np.stack([layer(row).numpy() for row in x]))
    assert np.array_equal(whole, layer(x.reshape((rows, 1, ins))).numpy()[:, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [5, 64, 100])
@pytest.mark.parametrize("zeros", [0.0, 0.9])
def test_weights_that_l2_does_not_hold_are_read_some_inputs_at_a_time(monkeypatch, dtype, outputs, zeros):
    monkeypatch.setattr(kernel_layer, "LARGE_BYTES", 1 << 13)
    monkeypatch.setattr(kernel_layer, "PART_BYTES", 1 << 13)
    rng = np.random.default_rng(outputs)
    weight, bias = (
        rng.standard_normal((outputs, 701)).astype(dtype),
        rng.standard_normal(outputs).astype(dtype),
    )
    x = (rng.standard_normal((50, 701)) * (rng.random((50, 701)) >= zeros)).astype(dtype)
    layer = tt.Linear.of(weight, bias)
    expected = np.stack([layer(row).numpy() for row in x])
    for rows in (1, 4, 13, 50):
        assert np.array_equal(tt.Sequential(layer, tt.relu).predict(x[:rows]), np.maximum(expected[:rows], 0))


def test_the_chapters_affine_example():
    # Saitō, section 3.4: X W1 + B1 with W1 of (2, 3)
    w1 = np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]])
    layer = tt.Linear.of(w1.T, [0.1, 0.2, 0.3])
    # one unit of float64 a rounding, of which there are five for a sum below 2
    assert np.abs(layer(np.array([1.0, 0.5])).numpy() - [0.3, 0.7, 1.1]).max() <= 5 * np.finfo(np.float64).eps


def test_linear_from_given_values():
    layer = tt.Linear(2, 3, weight=[[1, 2], [3, 4], [5, 6]], bias=[1, 2, 3])
    assert layer([[1, 1]]).tolist() == [[4.0, 9.0, 14.0]]
    assert (layer.in_features, layer.out_features) == (2, 3)
    assert layer.weight.dtype == np.float32
    assert tt.Affine is tt.Linear


def test_a_strided_or_transposed_weight_and_bias():
    w, b = np.arange(24.0).reshape(4, 6), np.arange(8.0)
    layer = tt.Linear.of(w.T[::2, ::-1], b[1:7:2])
    assert layer(np.ones(4)).tolist() == (w[::-1, ::2].sum(axis=0) + b[1:7:2]).tolist()


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (np.ones(3, np.float32), np.float32), (np.ones(3, np.uint8), np.float32), ([1, 1, 1], np.float32),
        (np.ones(3, bool), np.float32), (np.ones(3, np.float64), np.float64), (np.ones(3, ">f4"), np.float32),
    ],
)  # fmt: skip
def test_dtypes_promote_as_numpy_promotes_them(x, dtype):
    layer = tt.Linear(3, 2, weight=np.ones((2, 3), np.float32))
    assert layer(x).dtype == dtype
    assert layer(x).tolist() == [3.0, 3.0]


def test_a_float64_layer_takes_float32():
    layer = tt.Linear(1, 1, weight=np.full((1, 1), 0.1), bias=False)
    assert layer(np.ones(1, np.float32)).tolist() == [0.1]


def test_the_bias_takes_the_weights_dtype_and_may_be_assigned_another():
    layer = tt.Linear(1, 1, weight=np.ones((1, 1), np.float32), bias=np.ones(1, np.float64))
    assert layer.bias.dtype == np.float32
    layer.bias = tt.Tensor([0.1], "float64")
    assert layer(np.zeros(1, np.float32)).tolist() == [0.1]


def test_seed_and_initializer():
    one, two = (tt.Linear(8, 4, seed=3, initializer="he_normal").weight for _ in range(2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, tt.Linear(8, 4, seed=4, initializer="he_normal").weight)
    assert tt.Linear(8, 4, initializer="ones").weight.tolist() == np.ones((4, 8)).tolist()
    assert tt.Linear(8, 4).bias.tolist() == [0.0] * 4


def test_errors_say_who_what_and_how_to_fix_it():
    layer = tt.Linear(784, 50)
    who = r"Linear\(in_features=784, out_features=50\): expected \(batch, 784\), got "
    with pytest.raises(tt.ShapeError, match=who + r"\(784, 100\); did you mean x\.T\?$"):
        layer(tt.zeros((784, 100)))
    with pytest.raises(
        tt.ShapeError, match=who + r"\(100, 28, 28\); did you mean to put Flatten\(\) in front\?$"
    ):
        layer(tt.zeros((100, 28, 28)))
    one_image = r"^Sequential\[1\] " + who + r"\(28, 28\); a batch of one sample x is x\[None\]$"
    with pytest.raises(tt.ShapeError, match=one_image):
        tt.Sequential(tt.Flatten(), layer).predict(np.zeros((28, 28), np.uint8))
    with pytest.raises(tt.ShapeError, match=who + r"\(3,\)$"):
        layer([1, 2, 3])
    with pytest.raises(tt.ShapeError, match=who + r"\(\)$"):
        layer(1.0)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: tt.Linear(0, 3), tt.ArgumentError, "in_features: expected a positive integer, got 0"),
        (lambda: tt.Linear(3, True), tt.ArgumentError, "out_features: expected a positive integer, got True"),
        (lambda: tt.Linear(3, 2.0), tt.ArgumentError, "out_features"),
        (lambda: tt.Linear(3, 2, dtype="int32"), tt.DtypeError, "expected float32 or float64, got int32"),
        (lambda: tt.Linear(3, 2, weight=np.ones((3, 2))), tt.ShapeError, r"expected shape \(2, 3\), got"),
        (lambda: tt.Linear(3, 2, bias=[1, 2, 3]), tt.ShapeError, r"bias: expected shape \(2,\), got \(3,\)"),
        (lambda: tt.Linear(3, 2, weight=[["a"] * 3] * 2), tt.DtypeError, "expected real numbers"),
        (lambda: tt.Linear(3, 2, initializer="he"), tt.ArgumentError, "no initializer is named 'he'; there"),
        (lambda: tt.Linear.of([1.0, 2.0]), tt.ShapeError, r"\(out_features, in_features\), got \(2,\)"),
    ],
)  # fmt: skip
def test_wrong_arguments(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_a_bias_set_to_another_shape_is_noticed_before_a_kernel_reads_it():
    layer = tt.Linear(3, 2, bias=False)
    with pytest.raises(tt.ShapeError, match=r"bias: expected shape \(2,\), got \(1,\)"):
        layer.bias = tt.zeros(1)
    with pytest.raises(tt.ShapeError, match=r"weight: expected a Tensor of shape \(2, 3\), got \(3, 2\)"):
        layer.weight = tt.zeros((3, 2))


def test_nan_and_infinities_stay_in_their_row():
    layer = tt.Linear(3, 2, weight=np.ones((2, 3)), bias=False)
    y = layer([[1, 1, 1], [np.nan, 1, 1], [np.inf, -np.inf, 1], [np.inf, 1, 1]]).numpy()
    assert y[0].tolist() == [3.0, 3.0]
    assert np.isnan(y[1:3]).all()
    assert (y[3] == np.inf).all()


def test_a_transposed_weight_is_recognised():
    with pytest.raises(tt.ShapeError, match=r"expected shape \(2, 3\), got \(3, 2\); did you mean its .T\?$"):
        tt.Linear(3, 2, weight=np.ones((3, 2)))
    for wrong in (np.ones((3, 3)), np.ones(6)):
        with pytest.raises(tt.ShapeError, match=r"expected shape \(2, 3\), got \([36, ]+\)$"):
            tt.Linear(3, 2, weight=wrong)
