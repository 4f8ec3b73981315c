import math

import numpy as np
import pytest
from hypothesis import given

import tinytensor as tt
from tests.naive import same, unit_roundoff, within
from tests.strategies import FLOATS, LAYOUTS, float_arrays
from tinytensor import activations

SELU = 1.0507009873554805, 1.6732632423543772


def logistic(x):
    """1 / (1 + e^-x) without overflow."""
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def softplus(x):
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def hard_sigmoid(x):
    return min(max(x / 6 + 0.5, 0), 1)


# name: the formula of one number, and how many units of roundoff of |f(x)| the steps may be off: 2 for
# a function that is at most 1 ULP off, 1 for each operation and each constant; nothing cancels
ELEMENTWISE = {
    "identity": (lambda x: x, 0),
    "step": (lambda x: float(x > 0), 0),
    "relu": (lambda x: max(x, 0), 0),
    "leaky_relu": (lambda x: x if x > 0 else 0.01 * x, 2),
    "tanh": (math.tanh, 2),
    "sigmoid": (logistic, 5),
    "swish": (lambda x: x * logistic(x), 6),
    "elu": (lambda x: x if x > 0 else math.expm1(x), 3),
    "selu": (lambda x: SELU[0] * (x if x > 0 else SELU[1] * math.expm1(x)), 6),
    "softplus": (softplus, 7),
    "mish": (lambda x: x * math.tanh(softplus(x)), 16),
    "hard_sigmoid": (hard_sigmoid, 2),
    "hard_swish": (lambda x: x * hard_sigmoid(x), 3),
    "gelu": (lambda x: x * 0.5 * math.erfc(-x * math.sqrt(0.5)), 4),
}  # fmt: skip
ENDS = {  # of -∞ and ∞
    "identity": (-math.inf, math.inf), "step": (0, 1), "relu": (0, math.inf), "tanh": (-1, 1),
    "leaky_relu": (-math.inf, math.inf), "sigmoid": (0, 1), "swish": (0, math.inf), "elu": (-1, math.inf),
    "selu": (-SELU[0] * SELU[1], math.inf), "softplus": (0, math.inf), "mish": (0, math.inf),
    "hard_sigmoid": (0, 1), "hard_swish": (0, math.inf), "gelu": (0, math.inf),
}  # fmt: skip


def sample(dtype):
    """Numbers of every magnitude and both signs, and many where the functions bend."""
    magnitudes = 2.0 ** np.arange(np.log2(np.finfo(dtype).smallest_subnormal), np.finfo(dtype).maxexp, 0.37)
    x = np.concatenate([magnitudes, -magnitudes, np.linspace(-110, 110, 9973), np.linspace(-4, 4, 4001)])
    return x.astype(dtype)


def error_of_sums(name, x, y, u):
    """What is relative to x, not to f(x): x / 6 + ½ may cancel, and so does 1 + erf."""
    if name in ("hard_sigmoid", "hard_swish"):
        near = np.where(np.abs(x) < 4, 3 * u, 0)
        return near if name == "hard_sigmoid" else near * np.abs(x)
    # the oracle itself: erfc(t) magnifies the two roundings of t = x·√½ by 2t² = x², and may be subnormal
    tail = np.where(x < 0, np.maximum(x, -40), 0)
    return 2.0**-52 * np.abs(tail * tail * y) + np.abs(tail) * 5e-324 if name == "gelu" else 0


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_the_formula(name, dtype):
    formula, steps = ELEMENTWISE[name]
    x, u, limits = sample(dtype), unit_roundoff(dtype), np.finfo(dtype)
    y = activations.get(name)(x).numpy()
    assert y.dtype == dtype
    assert np.isfinite(y).all()
    with np.errstate(under="ignore"):
        exact = np.array([formula(each) for each in x.astype(float).tolist()])
        # the last rounding of a subnormal result; in float64 x times that of the oracle's own factor
        small = 2 * float(limits.smallest_subnormal)
        small = small * np.maximum(np.abs(x), 1) if dtype == np.float64 else small
        # math's functions are off by up to 1 ULP, too: that counts where ours are float64's
        own = steps if dtype == np.float64 else 0
        bound = (steps + own) * u * np.abs(exact) + error_of_sums(name, x.astype(float), exact, u) + small
    within(y, exact, bound)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ENDS)
def test_ends(name, dtype):
    y = activations.get(name)(np.array([-np.inf, np.inf, np.nan], dtype)).numpy()
    within(y[:2][np.isfinite(y[:2])], np.array([e for e in ENDS[name] if math.isfinite(e)]),
           8 * unit_roundoff(dtype))  # fmt: skip
    assert np.isinf(y[:2]).tolist() == [math.isinf(end) for end in ENDS[name]]
    assert math.isnan(y[2])


def test_both_tables_are_whole():
    assert set(ELEMENTWISE) == set(ENDS) == set(activations.names()) - {"softmax", "log_softmax"}


# Where an exponential would overflow or vanish


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_below_the_normal_numbers(dtype):
    limits = np.finfo(dtype)
    x = np.linspace(math.log(limits.tiny) - 40, math.log(limits.tiny), 1001).astype(dtype)
    # e^x is rounded to a multiple of the smallest number, the quotient again; math's too, in float64
    within(
        tt.sigmoid(x),
        [logistic(each) for each in x.astype(float).tolist()],
        4 * float(limits.smallest_subnormal),
    )
    same(tt.sigmoid(np.array([-1000], dtype)), np.array([0], dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_far_from_0_is_the_exponential_or_1(dtype):
    """1 + e^-40 rounds to 1."""
    x = np.linspace(np.nextafter(np.array(40, dtype), np.inf, dtype=dtype), 800, 10001, dtype=dtype)
    same(tt.sigmoid(-x), tt.exp(-x))
    same(tt.sigmoid(x), np.ones_like(x))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelus_tails(approximate, dtype):
    gelu, largest = tt.GELU(approximate), np.finfo(dtype).max
    y = gelu(np.array([-largest, -1e30, -40, 40, 1e30, largest], dtype)).numpy()
    same(np.abs(y), np.abs(np.array([0, 0, 0, 40, 1e30, largest], dtype)))
    x = np.linspace(-14, 0, 5001).astype(dtype)
    inner = [math.sqrt(2 / math.pi) * (v + 0.044715 * v**3) for v in x.astype(float).tolist()]
    exact = (
        x
        * {
            "none": [0.5 * math.erfc(-v * math.sqrt(0.5)) for v in x.astype(float).tolist()],
            "tanh": [1 / (1 + math.exp(-2 * z)) for z in inner],
        }[approximate]
    )
    within(gelu(x), exact, 2 * unit_roundoff(dtype) * np.abs(x.astype(float)))


def test_softmax_of_large_numbers_and_of_rows_without_an_answer():
    same(tt.softmax([[1e4, 1e4], [-1e4, 1e4]]), np.array([[0.5, 0.5], [0, 1]], np.float32))
    for row in ([-np.inf, -np.inf], [np.inf, 0], [np.nan, 0]):
        assert np.isnan(tt.softmax([row]).numpy()).all()
        assert np.isnan(tt.log_softmax([row]).numpy()).all()
    assert tt.softmax([[-np.inf, 0.0]]).tolist() == [[0, 1]]
    assert tt.Softmax(axis=0)([[1.0, 2.0], [1.0, 2.0]]).tolist() == [[0.5, 0.5], [0.5, 0.5]]


# Function, class, name


@pytest.mark.parametrize("name", activations.names())
def test_function_class_and_name_are_one(name):
    function = getattr(tt, name)
    x = np.linspace(-3, 3, 20).reshape(4, 5)
    assert activations.get(name) is function
    same(type(function)()(x), function(x))
    assert activations.get(repr(function).partition("(")[0]) is function
    assert (
        eval(repr(function), {type(function).__name__: type(function), **vars(tt)})(x).tolist()
        == function(x).tolist()
    )
    doc = type(function).__doc__
    assert "Range" in doc
    assert ">>>" in doc


def test_names_are_found_in_any_spelling():
    assert activations.get("LeakyReLU", negative_slope=0.2).negative_slope == 0.2
    assert activations.get("SiLU") is activations.get("silu") is tt.swish
    assert tt.SiLU is tt.Swish
    with pytest.raises(tt.ArgumentError, match="no activation is named 'rleu'; there are elu, gelu"):
        activations.get("rleu")


@pytest.mark.parametrize("value", ["erf", None, 1, True, ["tanh"]])
def test_gelu_has_two_forms(value):
    with pytest.raises(tt.ArgumentError, match='expected "none" or "tanh"'):
        tt.GELU(value)


def test_parameters():
    x = [-2.0, 3.0]
    assert tt.leaky_relu(x, negative_slope=0.5).tolist() == [-1, 3]
    assert tt.LeakyReLU(0.5)(x).tolist() == [-1, 3]
    same(tt.swish(x, beta=0), np.array([-1, 1.5], np.float32))
    assert tt.elu(-1000.0, alpha=3).item() == -3


def test_parameters_by_position():
    x = tt.Tensor([-2.0, 3.0])
    same(tt.leaky_relu(x, 0.5), tt.leaky_relu(x, negative_slope=0.5))
    same(tt.softmax([[1.0, 2.0]], 0), tt.Softmax(0)([[1.0, 2.0]]))
    same(tt.gelu(x, "tanh"), tt.GELU("tanh")(x))
    same(bent(x, 2.0, b=3.0), bent(a=2.0, b=3.0)(x))
    for wrong in (lambda: tt.relu(x, 0.5), lambda: tt.leaky_relu(x, 0.5, 0.7), lambda: bent(x, 2.0, a=1.0)):
        with pytest.raises(tt.ArgumentError, match="expected x"):
            wrong()


@pytest.mark.parametrize("value", [None, "2", 1j, True, [1.0], np.ones(2, int)])
def test_a_parameter_that_is_assigned_is_a_number(value):
    function = tt.LeakyReLU(0.5)
    with pytest.raises(tt.DtypeError, match=r"LeakyReLU\(negative_slope=…\): expected a real number"):
        function.negative_slope = value
    assert function.negative_slope == 0.5


def test_a_subclass_of_a_built_in_activation_with_its_own_forward():
    class Shifted(tt.LeakyReLU):
        def forward(self, x):
            return super().forward(x) + 1

    model = tt.Sequential(tt.Linear(3, 3, seed=0), Shifted(0.5), tt.Linear(3, 2, seed=1))
    x = np.random.default_rng(0).standard_normal((70, 3)).astype(np.float32)
    same(model(x), model(x, fused=False))
    same(Shifted(0.5)([-2.0]), np.array([0], np.float32))


@given(float_arrays())
def test_layout_and_place_change_no_bit(array):
    for function in (tt.sigmoid, tt.mish):
        y = function(array)
        for layout in LAYOUTS:
            same(function(layout(array)), y)


def test_integers_and_bools_become_floats():
    assert tt.relu(np.array([-1, 2], np.int8)).dtype == np.float32
    assert tt.relu([True]).tolist() == [1.0]


# Custom ones


@tt.activation
def squareplus(x, b=4.0):
    return 0.5 * (x + math.sqrt(x * x + b))


@tt.activation
def bent(x, a=1.0, b=2.0):
    return np.where(x > 0, squareplus(x) ** 2, a * np.tanh(b * x))


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_custom_activation_is_its_formula_in_the_dtype_of_x(dtype):
    x, u = sample(dtype), unit_roundoff(dtype)
    x = x[np.abs(x) < 1e3]
    y = squareplus(x, b=2.0)
    assert y.dtype == dtype
    wide = x.astype(np.longdouble)
    # ½(x + root): the root is off by 3u of itself, the sum by u
    within(y, 0.5 * (wide + np.sqrt(wide * wide + 2)), 2 * u * (np.abs(wide) + 2) + u)


def test_custom_ones_call_one_another_and_numpys_functions():
    x = np.array([-1.0, 3.0])
    expected = [math.tanh(-2), (0.5 * (3 + math.sqrt(13))) ** 2]
    within(bent(x), np.array(expected), 1e-14)


def test_what_is_no_activation_is_said_at_once_or_on_the_first_call():
    def needy(x, b):
        return x + b

    def full(x, a=1, b=2, c=3, d=4):
        return a * x + b * c - d

    def greedy(x, a=1, b=1, c=1, d=1, e=1):
        return x

    def wordy(x):
        return "relu"

    with pytest.raises(tt.ArgumentError, match="expected a default for b"):
        tt.activation(needy)
    assert tt.activation(full)([5.0]).tolist() == [7]
    with pytest.raises(tt.ArgumentError, match="up to 4 parameters"):
        tt.activation(greedy)
    with pytest.raises(tt.ArgumentError, match="define it with def"):
        tt.activation(lambda x: x)
    with pytest.raises(tt.ArgumentError, match="wordy: expected a number from it"):
        tt.activation(wordy)(1.0)
    with pytest.raises(tt.ArgumentError, match="Squareplus"):
        squareplus(1.0, c=2)
    with pytest.raises(tt.DtypeError, match=r"Squareplus\(b=…\)"):
        squareplus(b="four")


@pytest.mark.parametrize("layer", [tt.Softmax, tt.LogSoftmax])
@pytest.mark.parametrize("axis", ["x", 1.5, None, [1]])
def test_an_axis_is_an_integer(layer, axis):
    with pytest.raises(tt.ArgumentError, match=f"{layer.__name__}: axis: expected an integer, got"):
        layer(axis=axis)
