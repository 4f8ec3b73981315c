"""The chapter's examples and identities, each identity within a bound derived from its roundings."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import absolute_product, gamma, same, unit_roundoff, within
from tests.strategies import (
    FLOATS,
    LAYOUTS,
    arrays,
    broadcastable,
    float_arrays,
    float_dtypes,
    lengths,
    products,
)

A, B = [[1, 2], [3, 4]], [[5, 6], [7, 8]]
WIDE, TALL = [[1, 2, 3], [4, 5, 6]], [[1, 2], [3, 4], [5, 6]]


def tensors(arrays_):
    return [tt.Tensor(array) for array in arrays_]


# The examples that the chapter prints


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda t: t(A) + t(B), [[6, 8], [10, 12]]),
        (lambda t: t(A) - t(B), [[-4, -4], [-4, -4]]),
        (lambda t: 2 * t(A), [[2, 4], [6, 8]]),
        (lambda t: t(A) @ t(B), [[19, 22], [43, 50]]),
        (lambda t: t(WIDE) @ t(TALL), [[22, 28], [49, 64]]),
        (lambda t: t(TALL) @ t(WIDE), [[9, 12, 15], [19, 26, 33], [29, 40, 51]]),
        (lambda t: t(A).T, [[1, 3], [2, 4]]),
        (lambda t: t(WIDE).T, [[1, 4], [2, 5], [3, 6]]),
    ],
    ids=["sum", "difference", "scalar", "product", "2x3 3x2", "3x2 2x3", "transpose", "2x3 transpose"],
)
def test_an_example_of_the_chapter(dtype, compute, expected):
    same(compute(lambda rows: tt.Tensor(rows, dtype)), np.array(expected, dtype))


def test_the_product_does_not_commute():
    a, b = tt.Tensor(A), tt.Tensor(B)
    assert (a @ b).tolist() == [[19, 22], [43, 50]]
    assert (b @ a).tolist() == [[23, 34], [31, 46]]
    assert ((a @ b) != (b @ a)).all()


def test_a_layer_of_the_chapter_is_a_product_and_a_sum():
    w, x, b = tt.Tensor([[1, 3], [2, 4], [5, 6]]), tt.Tensor([10, 1]), tt.Tensor([0.5, -0.5, 0])
    a = w @ x + b
    assert a.tolist() == [13.5, 23.5, 56.0]
    same((tt.Linear(2, 3, weight=w, bias=b)(x[None]))[0], a)


# Neurons

coordinates = st.floats(-100, 100, width=32)


@given(st.tuples(*5 * [coordinates]), float_dtypes)
def test_a_neuron_is_a_weighted_sum(numbers, dtype):
    """y = w₁x₁ + w₂x₂ + b: three terms, each rounded at most three times."""
    w, x, b = np.array(numbers[:2], dtype), np.array(numbers[2:4], dtype), dtype(numbers[4])
    exact = w.astype(np.longdouble) * x
    bound = gamma(3, dtype) * (np.abs(exact).sum() + abs(b)) + 3 * np.finfo(dtype).smallest_subnormal
    within(tt.Tensor(w) @ x + b, exact.sum() + b, bound)
    within(tt.Linear.of(w[None], b[None])(x)[0], exact.sum() + b, bound)


@given(st.tuples(*5 * [coordinates]), float_dtypes)
def test_a_perceptron_is_the_step_of_that_sum(numbers, dtype):
    w, x, b = np.array(numbers[:2], dtype), np.array(numbers[2:4], dtype), dtype(numbers[4])
    same(tt.Perceptron(w, b)(x), tt.step(tt.Linear.of(w[None], b[None])(x))[0])


@given(float_arrays())
def test_the_step_is_1_above_0_only(x):
    same(tt.step(x), (x > 0).astype(x.dtype))


@given(st.tuples(*3 * [st.integers(1, 9)]), float_dtypes, st.data())
def test_a_layer_is_one_sum_for_each_neuron(sizes, dtype, data):
    """a_j = Σ_i w_ji x_i + b_j, and as matrices a = Wx + b with W of (out, in)."""
    out, into, batch = sizes
    w, b = data.draw(arrays((out, into), dtype)), data.draw(arrays((out,), dtype))
    x = data.draw(arrays((batch, into), dtype))
    a = tt.Linear.of(w, b)(x)
    for sample in range(batch):
        for j in range(out):
            terms = w[j].astype(np.longdouble) * x[sample]
            bound = gamma(into + 1, dtype) * (np.abs(terms).sum() + abs(b[j]))
            within(a[sample, j], terms.sum() + b[j], bound)
    same(a, tt.Linear.of(tt.Tensor(w), tt.Tensor(b))(tt.Tensor(x)))


# Matrices


@given(float_arrays())
def test_an_element_is_in_row_i_and_column_j(array):
    t = tt.Tensor(array)
    assert t.shape == array.shape
    for place in np.ndindex(array.shape):
        assert t[place].item() == array[place].item()


# Sums and scalar products


@given(broadcastable(2))
def test_sums_commute(pair):
    a, b = tensors(pair)
    same(a + b, b + a)
    same(a - b, a + -b)
    same(a + b, np.add(*pair))


@given(broadcastable(3))
def test_sums_associate(triple):
    a, b, c = tensors(triple)
    whole = sum(np.abs(each).astype(np.longdouble) for each in triple)
    # each side is two additions, each of partial sums not above |a| + |b| + |c|
    within((a + b) + c, a + (b + c), 2 * gamma(2, triple[0].dtype) * whole)


@given(broadcastable(2), st.floats(-100, 100, width=32))
def test_scalar_products_distribute(pair, factor):
    a, b = tensors(pair)
    whole = abs(factor) * (np.abs(pair[0]).astype(np.longdouble) + np.abs(pair[1]))
    tiny = float(np.finfo(pair[0].dtype).smallest_subnormal)
    within(factor * (a + b), factor * a + factor * b, 2 * gamma(2, pair[0].dtype) * whole + 3 * tiny)


# The transpose


@given(float_arrays())
def test_the_transpose_of_the_transpose(array):
    t = tt.Tensor(array)
    same(t.T.T, array)
    same(t.T, array.T)
    if array.ndim > 1:
        same(t.mT.mT, array)


@given(products(2))
def test_the_transpose_of_a_product_has_the_same_bits(pair):
    """(AB)ᵀ = BᵀAᵀ: both add the same products in the same order."""
    a, b = tensors(pair)
    same((a @ b).T, b.T @ a.T)


# The product


@given(products(2))
def test_an_element_of_a_product_is_a_row_times_a_column(pair):
    """c_ij = Σ_k a_ik b_kj, of an (m, p) and a (p, n) matrix an (m, n) matrix."""
    a, b = pair
    c = tt.Tensor(a) @ b
    assert c.shape == (a.shape[0], b.shape[1])
    exact = (a.astype(np.longdouble)[:, :, None] * b[None]).sum(axis=1)
    within(c, exact, gamma(a.shape[1], a.dtype) * absolute_product(a, b))


@given(products(2), st.data())
def test_the_product_distributes_over_the_sum(pair, data):
    first, second = pair
    third = data.draw(arrays(second.shape, first.dtype))
    a, b, c = tensors((first, second, third))
    whole = absolute_product(first, np.abs(second).astype(np.longdouble) + np.abs(third))
    # the sum is one more rounding on the left, and on the right
    within(a @ (b + c), a @ b + a @ c, 2 * gamma(len(second) + 1, first.dtype) * whole)


@given(products(3))
def test_the_product_associates(triple):
    a, b, c = tensors(triple)
    roundings = triple[1].shape[0] + triple[1].shape[1]
    within((a @ b) @ c, a @ (b @ c), 2 * gamma(roundings, triple[0].dtype) * absolute_product(*triple))


@given(products(2), st.floats(0.125, 8, width=32), st.sampled_from((1, -1)))
def test_a_scalar_moves_through_the_product(pair, size, sign):
    a, b = tensors(pair)
    factor = sign * size
    bound = 2 * gamma(len(pair[1]) + 1, pair[0].dtype) * size * absolute_product(*pair)
    within(factor * (a @ b), (factor * a) @ b, bound)


@given(products(2))
def test_the_identity_changes_nothing(pair):
    a = tt.Tensor(pair[0])
    rows, columns = a.shape
    same(tt.eye(rows, dtype=a.dtype) @ a, pair[0])
    same(a @ tt.eye(columns, dtype=a.dtype), pair[0])


@given(lengths, lengths, float_dtypes, st.data())
def test_a_product_over_nothing_is_zero(m, n, dtype, data):
    a, b = data.draw(arrays((m, 0), dtype)), data.draw(arrays((0, n), dtype))
    same(tt.Tensor(a) @ tt.Tensor(b), np.zeros((m, n), dtype))


@given(products(2), st.sampled_from(LAYOUTS))
def test_the_layout_changes_no_bit_of_a_product(pair, layout):
    a, b = pair
    same(tt.Tensor(layout(a)) @ tt.Tensor(layout(b)), tt.Tensor(a) @ tt.Tensor(b))


# Softmax and sigmoid


def relative_error_of_softmax(classes, spread, dtype):
    """a - max is off by u·spread, e^… by 2u (1 ULP), the sum by γ_{n-1}, the quotient by u."""
    u = unit_roundoff(dtype)
    return math.expm1(2 * u * spread + 2 * 2 * u + 2 * u) + gamma(max(classes, 1), dtype)


@st.composite
def logits(draw):
    """Rows of classes between -40 and 40, so that no power underflows."""
    shape = draw(st.sampled_from(((1, 1), (1, 10), (3, 10), (17, 3), (40, 50), (2, 700), (0, 4), (4, 3, 5))))
    dtype = draw(float_dtypes)
    return np.clip(draw(arrays(shape, dtype, scale=10)), -40, 40)


@given(logits(), st.integers(-2, 1))
def test_softmax_gives_probabilities(x, axis):
    axis = axis if axis < x.ndim else -1
    p = np.asarray(tt.Softmax(axis)(x))
    assert p.shape == x.shape
    assert p.dtype == x.dtype
    assert ((p >= 0) & (p <= 1)).all()
    # p = fl(e / T) with the same T = fl(Σ e) for all: γ_{n-1} from T, one rounding from the quotient
    totals = p.astype(np.longdouble).sum(axis)
    of_something = float(x.shape[axis] > 0)
    within(totals, np.full(totals.shape, of_something), gamma(x.shape[axis], x.dtype))


@given(logits())
def test_softmax_is_powers_over_their_sum(a):
    """p_i = e^(a_i) / Σ e^(a_j), of which numpy's longdouble makes the exact one."""
    powers = np.exp(a.astype(np.longdouble))
    exact = powers / powers.sum(axis=-1, keepdims=True)
    within(tt.softmax(a), exact, relative_error_of_softmax(a.shape[-1], 80, a.dtype) * exact)


@given(logits(), st.floats(-40, 40, width=32))
def test_softmax_does_not_see_a_common_summand(x, c):
    u = unit_roundoff(x.dtype)
    p = np.asarray(tt.softmax(x))
    shifted = tt.softmax(tt.Tensor(x) + c)
    # a + c ≤ 80 is off by 80·u, which moves log p by twice that
    bound = 2 * relative_error_of_softmax(x.shape[-1], 80, x.dtype) + math.expm1(2 * 80 * u)
    within(shifted, p, bound * p.astype(np.longdouble))


@given(logits(), st.integers(-30, 30))
def test_softmax_has_the_same_bits_when_the_sum_is_exact(x, c):
    whole = np.round(x)
    same(tt.softmax(whole + c), tt.softmax(whole))


@given(st.lists(st.floats(-80, 80, width=32), min_size=1, max_size=40), float_dtypes)
def test_softmax_of_two_is_the_sigmoid(xs, dtype):
    x = np.array(xs, dtype)
    u = unit_roundoff(dtype)
    p = tt.softmax(np.stack([np.zeros_like(x), x], axis=-1))
    expected = np.stack([np.asarray(tt.sigmoid(-x)), np.asarray(tt.sigmoid(x))], axis=-1)
    # 0 - x and x - 0 are exact; sigmoid is within 2.4 ULP, which is 4.8 u
    bound = 4.8 * u + relative_error_of_softmax(2, 0, dtype)
    within(p, expected, bound * expected.astype(np.longdouble))
    # the chapter's other column: of (0, -x)
    reversed_p = tt.softmax(np.stack([np.zeros_like(x), -x], axis=-1))
    within(reversed_p, expected[:, ::-1], bound * expected[:, ::-1].astype(np.longdouble))


@given(st.lists(st.floats(-200, 200, width=32), min_size=1, max_size=40), float_dtypes)
def test_the_sigmoid_is_a_tanh(xs, dtype):
    x = tt.Tensor(np.array(xs, dtype))
    # tanh ≤ 1 is off by 1.5 ULP ≤ 1.5 u, 1 + tanh ≤ 2 by u, both halved; sigmoid ≤ 1 by 2.4 ULP ≤ 2.4 u
    bound = (1.5 + 1) / 2 * unit_roundoff(dtype) + 2.4 * unit_roundoff(dtype)
    within(tt.sigmoid(x), 0.5 * (1 + tt.tanh(x / 2)), bound)
