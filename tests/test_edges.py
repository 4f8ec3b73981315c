"""Sizes of 0, what forward may return, large numbers, and kinds of faults that once passed the tests."""

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import gamma, same, unit_roundoff, within

EMPTY = np.zeros(0, np.float32)


def outcome(call):
    """What a call gives: an array's dtype, shape and numbers, or the type of our error."""
    try:
        y = np.asarray(call())
    except tt.TinyTensorError as error:
        return type(error)
    return y.dtype, y.shape, y.tolist()


# Sizes of 0

LINEAR = tt.Linear(3, 2, seed=0)
ZEROS = {
    "neurons of none": (lambda: [tt.Perceptron(np.zeros((0, 3)), np.zeros(0))], 3),
    "no inputs": (lambda: [tt.Perceptron(np.zeros((3, 0)), np.zeros(3))], 0),
    "no inputs, then a Linear": (lambda: [tt.Perceptron(np.zeros((3, 0)), np.zeros(3)), LINEAR], 0),
    "no inputs, wrong samples": (lambda: [tt.Perceptron(np.zeros((3, 0)), np.zeros(3)), LINEAR], 3),
    "many neurons without inputs": (
        lambda: [tt.Perceptron(np.zeros((500, 0)), np.zeros(500)), tt.Linear(500, 2, seed=0)], 500,
    ),
    "neurons of none after a Linear": (lambda: [LINEAR, tt.Perceptron(np.zeros((0, 2)), np.zeros(0))], 3),
    "an empty Rescale": (lambda: [tt.Rescale(EMPTY), LINEAR], 3),
    "an empty offset": (lambda: [tt.Rescale(1.0, EMPTY), LINEAR], 3),
    "an empty Rescale alone": (lambda: [tt.Rescale(EMPTY, EMPTY)], 0),
    "a Reshape to none": (lambda: [tt.Reshape(0), LINEAR], 3),
    "a Reshape to none of none": (lambda: [tt.Reshape((0, 5)), tt.Flatten()], 0),
    "a Flatten of none": (lambda: [tt.Flatten(), tt.relu], 0),
    "a LayerNorm of none": (lambda: [tt.LayerNorm(EMPTY)], 0),
    "a BatchNorm of none": (lambda: [tt.BatchNorm(EMPTY)], 0),
    "a PReLU of none": (lambda: [tt.PReLU(EMPTY)], 0),
    "softmax of none": (lambda: [tt.softmax], 0),
    "softmax of none after none": (lambda: [tt.Flatten(), tt.LogSoftmax()], 0),
    "activations of none": (lambda: [tt.gelu, tt.swish], 0),
    "no layer": (list, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", ZEROS)
@pytest.mark.parametrize("count", [0, 1, 4, 40])
def test_sizes_of_0_are_the_same_fused_and_unfused(name, count):
    layers, n = ZEROS[name]
    model, x = tt.Sequential(*layers()), np.ones((count, n), np.float32)
    expected = outcome(lambda: model(x, fused=False))
    assert outcome(lambda: model(x)) == expected
    assert outcome(lambda: model.predict(x)) == expected
    if count:
        assert outcome(lambda: model.predict(x, batch_size=3)) == expected


@pytest.mark.parametrize("layer", [tt.LayerNorm, tt.BatchNorm])
@pytest.mark.parametrize("features", [0, -1, 2.5, True, None, "16"])
def test_a_number_of_features_is_positive(layer, features):
    with pytest.raises(tt.TinyTensorError):
        layer(features)


# What forward returns


class Returns(tt.Layer):
    def __init__(self, what):
        self.what = what

    def forward(self, x):
        return {
            "none": lambda: None, "tuple": lambda: (x, x), "list": lambda: [x], "text": lambda: "x",
            "scalar": lambda: x.sum(), "number": lambda: 1.0, "one row less": lambda: x[1:],
            "one row more": lambda: tt.concatenate([x, x[:1]]), "array": lambda: np.asarray(x) * 2,
            "itself": lambda: x,
        }[self.what]()  # fmt: skip


WRONG = {
    "none": (tt.DtypeError, r"\[1\] Returns\(what='none'\): forward returned None; did you forget"),
    "tuple": (tt.DtypeError, r"\[1\] .*: forward returned a tuple of 2; expected one Tensor"),
    "list": (tt.DtypeError, r"\[1\] .*: forward returned a list of 1; expected one Tensor"),
    "text": (tt.DtypeError, r"\[1\] .*: forward returned no Tensor"),
    "scalar": (
        tt.ShapeError,
        r"\[1\] Returns\(what='scalar'\): expected an output for each of \d samples, .* got shape \(\)",
    ),
    "number": (tt.ShapeError, r"expected an output for each of \d samples, .* got shape \(\)"),
    "one row less": (
        tt.ShapeError,
        r"\[1\] Returns\(what='one row less'\): "
        r"expected an output for each of 4 samples, .* got shape \(3, 3\)",
    ),
    "one row more": (
        tt.ShapeError,
        r"\[1\] Returns\(what='one row more'\): expected an output for each of \d samples",
    ),
}
PATHS = {
    "predict": lambda model, x: model.predict(x),
    "predict in batches": lambda model, x: model.predict(x, batch_size=4),
    "predict_batches": lambda model, x: list(model.predict_batches([x])),
    "fused": lambda model, x: model(x),
    "unfused": lambda model, x: model(x, fused=False),
    "inside another": lambda model, x: tt.Sequential(model)(x),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("path", PATHS)
def test_what_forward_returns_is_one_error_on_every_path(what, path):
    error, message = WRONG[what]
    model = tt.Sequential(tt.Rescale(2.0), Returns(what))
    with pytest.raises(error, match=message):
        PATHS[path](model, np.ones((4, 3), np.float32))


@pytest.mark.parametrize("what", ["array", "itself"])
def test_outputs_are_in_memory_of_their_own(what):
    x = np.ones((4, 3), np.float32)
    y = tt.Sequential(Returns(what)).predict(x)
    y[...] = 5
    assert (x == 1).all()
    assert tt.Sequential(tt.Dropout()).predict(x) is not x


@pytest.mark.parametrize("path", PATHS)
def test_a_forward_that_writes_into_its_input_is_told(path):
    class Zeroes(tt.Layer):
        def forward(self, x):
            x.numpy()[...] = 0
            return x

    x = np.ones((4, 3), np.float32)
    with pytest.raises(tt.ArgumentError, match=r"Zeroes\(\): forward changes .* x\.numpy\(\)\.copy\(\)"):
        PATHS[path](tt.Sequential(Zeroes()), x)
    assert (x == 1).all()
    with pytest.raises(tt.ArgumentError, match="forward changes"):
        tt.Lambda(lambda t: np.negative(t.numpy(), out=t.numpy()))(x)


def test_another_value_error_of_a_forward_is_its_own():
    class Picky(tt.Layer):
        def forward(self, x):
            raise ValueError("not today")

    with pytest.raises(ValueError, match="not today"):
        tt.Sequential(Picky())(np.ones((1, 1)))


# Large numbers, a large mean


def standardized(x, eps):
    """(x - mean) / √(var + eps) of every row, in long double."""
    wide = np.asarray(x).astype(np.longdouble)
    deviation = wide - wide.mean(-1, keepdims=True)
    return deviation / np.sqrt((deviation**2).mean(-1, keepdims=True) + np.longdouble(eps))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e30])
@pytest.mark.parametrize("mean", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("n", [3, 300])
def test_layer_norm_of_any_magnitude_and_mean(dtype, scale, mean, n):
    x = ((np.random.default_rng(0).standard_normal((5, n)) + mean) * scale).astype(dtype)
    eps = 1e-5 * scale**2
    y = tt.LayerNorm(n, eps=eps)(x).numpy()
    assert y.dtype == dtype
    # float64 inside: the mean is off by γ_n·|mean|, the deviation relative to it; then the last rounding
    exact = standardized(x, eps)
    inner = gamma(2 * n + 8, np.float64) * (1 + (mean + 4) ** 2)
    within(y, exact, inner * (1 + np.abs(exact)) + unit_roundoff(dtype) * np.abs(exact))


def test_layer_norm_where_squares_are_infinite_in_float64():
    x = np.array([[1e200, 2e200, -1e200, 3e200], [1.0, 2.0, -1.0, 3.0], [1e200] * 4, [1e308, 1e308, 0, 0]])
    y = tt.LayerNorm(4)(x).numpy()
    within(y[:2], np.concatenate([standardized(x[:1], 0), standardized(x[1:2], 1e-5)]), 1e-14)
    same(y[2], np.zeros(4))
    within(y[3], np.array([1, 1, -1, -1]), 1e-14)
    for row, alone in zip(y, x, strict=True):
        same(tt.LayerNorm(4)(alone[None]).numpy()[0], row)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_variance_of_a_large_mean_and_of_large_numbers(dtype):
    x = (np.random.default_rng(1).standard_normal(1000) + 1e4).astype(dtype)
    wide = x.astype(np.longdouble)
    exact = ((wide - wide.mean()) ** 2).mean()
    within(tt.Tensor(x).var(), exact, (unit_roundoff(dtype) + gamma(80, np.float64)) * exact)
    large = np.array([1e30, 2e30, -1e30, 3e30], dtype)
    wide = large.astype(np.longdouble)
    std = np.sqrt(((wide - wide.mean()) ** 2).mean())
    within(tt.Tensor(large).std(), std, 4 * unit_roundoff(dtype) * std)


def test_softmax_of_large_numbers():
    for dtype in (np.float32, np.float64):
        x = np.array([[1e30, 1e30, -1e30], [3e38, -3e38, 0], [1e4 + 1, 1e4, 1e4 - 1]], dtype)
        y = tt.softmax(x).numpy()
        same(y[:2], np.array([[0.5, 0.5, 0], [1, 0, 0]], dtype))
        powers = np.exp(np.array([0.0, -1, -2]))
        within(y[2], powers / powers.sum(), 8 * unit_roundoff(dtype))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_batch_norm_of_any_magnitude(scale):
    rng = np.random.default_rng(2)
    x, mean = (rng.standard_normal((2, 6, 4)) * scale).astype(np.float32)
    mean = mean[0]
    var = np.full(4, scale**2, np.float64)
    layer = tt.BatchNorm(np.ones(4), np.zeros(4), mean, var, eps=0)
    exact = (x.astype(float) - mean) / scale
    within(layer(x), exact, 4 * unit_roundoff(np.float32) * (np.abs(exact) + np.abs(mean / scale)))


# Kinds of faults that once passed the whole suite


def test_batch_norms_epsilon_and_precision():
    layer = tt.BatchNorm(1)
    assert layer.eps == 1e-5
    weight, var = np.float32(0.3), np.float32(1e-7)
    y = tt.BatchNorm([weight], [0], [0], [var])(np.float32([[1.0]])).item()
    # the factor is computed in float64 and rounded once
    assert y == np.float32(float(weight) / np.sqrt(float(var) + 1e-5))


def test_numpys_functions_take_tensors_by_name():
    tensor = tt.Tensor([[1.0, 2.0], [3.0, 4.0]])
    for y in (np.sum(a=tensor), np.sum(tensor)):
        assert type(y) is tt.Tensor
        assert y.item() == 10
    same(np.transpose(a=tensor), tensor.numpy().T)


def test_one_model_predicts_every_dtype_in_turn():
    model = tt.Sequential(tt.Rescale(0.5, 1.0), tt.Linear(6, 5, seed=0), tt.relu, tt.Linear(5, 3, seed=1))
    x = np.random.default_rng(3).integers(0, 9, (70, 6))
    for _ in range(2):
        for dtype in (np.float32, np.float64, np.uint8, np.uint32, np.int64, np.float16, np.uint16, np.int8):
            for count in (1, 70):
                some = x[:count].astype(dtype)
                same(model.predict(some), model(some, fused=False).numpy())


@pytest.mark.parametrize("dtype", [np.uint32, np.int32, np.uint64])
def test_tensors_of_wide_integers_become_float64(dtype):
    x = tt.Tensor(np.arange(12).reshape(2, 6), dtype)
    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.relu)
    assert model(x).dtype == np.float64
    same(model(x), model(x, fused=False))


@pytest.mark.parametrize("count", [1, 63, 64, 65, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length", [5, 1, 4])
def test_a_vector_rescale_after_a_linear(count, dtype, length):
    scale = np.linspace(-1, 1, length).astype(dtype)
    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.Rescale(scale, 0.5), tt.tanh, tt.Linear(5, 3, seed=1))
    x = np.random.default_rng(4).standard_normal((count, 6)).astype(np.float32)
    expected = outcome(lambda: model(x, fused=False))
    assert outcome(lambda: model(x)) == expected
    assert (expected is tt.ShapeError) == (length == 4)


@pytest.mark.parametrize("axes", [(4, 3, 2), (70, 3, 2), (4, 2, 3, 2)])
@pytest.mark.parametrize("function", [tt.softmax, tt.LogSoftmax(), tt.Softmax(1), tt.PReLU([0.5, 2.0, 1.0])])
def test_a_flatten_after_what_sees_the_last_axis(axes, function):
    x = np.random.default_rng(5).standard_normal(axes).astype(np.float32)
    model = tt.Sequential(function, tt.Flatten(), tt.Linear(int(np.prod(axes[1:])), 3, seed=0))
    expected = outcome(lambda: model(x, fused=False))
    assert outcome(lambda: model(x)) == expected


def test_an_activation_inside_an_activation_with_parameters():
    leaky = tt.LeakyReLU(0.25)

    @tt.activation
    def outer(x, a=1.0):
        return leaky(x) * a + tt.sigmoid(x)

    model = tt.Sequential(tt.Linear(6, 5, seed=0), outer(a=3.0), tt.Linear(5, 2, seed=1))
    x = np.random.default_rng(6).standard_normal((70, 6)).astype(np.float32)
    same(model(x), model(x, fused=False))
    z = np.array([-2.0, 1.0])
    within(outer(z, a=3.0), np.where(z < 0, z / 4, z) * 3 + 1 / (1 + np.exp(-z)), 1e-15)


@pytest.mark.parametrize("count", [1, 3, 17, 33, 65])
def test_lanes_that_are_none_reach_no_output(count):
    @tt.activation
    def inverse(x):
        return 1 / x

    model = tt.Sequential(tt.Linear(3, 5, bias=np.ones(5), seed=0), inverse, tt.Linear(5, 7, seed=1), inverse)
    x = np.random.default_rng(7).standard_normal((count, 3)).astype(np.float32)
    same(model(x), model(x, fused=False))
