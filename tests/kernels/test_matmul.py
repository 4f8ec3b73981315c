"""The matrix product: every element has the bits of the plain loop, so every bound of that loop holds."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import ir
from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic

import tinytensor as tt
from tests import naive
from tests.strategies import EDGES, FLOATS, LAYOUTS, generators, in_order, layouts, read_only
from tinytensor.errors import DtypeError, ShapeError
from tinytensor.kernels import matmul as module
from tinytensor.kernels import record
from tinytensor.kernels.cpu import vectors
from tinytensor.kernels.layer import TALLEST
from tinytensor.kernels.matmul import matmul
from tinytensor.kernels.product import STREAMED_BYTES, STREAMS

LENGTHS = (0, 1, 2, 3, 7, 31, 64, 65, 784)
LANES = vectors().width(4)


@intrinsic
def scalar_fma(typing_context, a, b, c):
    def generate(context, builder, signature, values):
        kind = values[0].type
        name = f"llvm.fma.{'f32' if isinstance(kind, ir.FloatType) else 'f64'}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, values)

    return a(a, b, c), generate


@njit
def plain_loop(a, b, bias):
    """c_ij from bias_j by one fma for each k in ascending order; then + 0."""
    c = np.empty((a.shape[0], b.shape[1]), a.dtype)
    for i in range(c.shape[0]):
        c[i] = bias
        for k in range(a.shape[1]):
            for j in range(c.shape[1]):
                c[i, j] = scalar_fma(a[i, k], b[k, j], c[i, j])
        for j in range(c.shape[1]):
            c[i, j] += 0
    return c


def bits(array):
    return array.view(np.uint32 if array.dtype == np.float32 else np.uint64)


def check(a, b, bias=None, product=matmul):
    """The product has the bits of the plain loop over the same numbers in C order."""
    start = np.zeros(b.shape[1], a.dtype) if bias is None else in_order(bias)
    expected = plain_loop(in_order(a), in_order(b), start)
    c = product(a, b, bias)
    assert c.shape == expected.shape
    assert c.dtype == expected.dtype
    assert c.flags.c_contiguous
    wrong = np.argwhere(bits(c) != bits(expected))
    assert not len(wrong), f"{a.shape} @ {b.shape}: {len(wrong)} elements differ, the first at {wrong[0]}"
    return c


def normal(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_plain_loop_rounds_once_for_each_k(dtype):
    rng = np.random.default_rng(0)
    for scale in (1.0, 2.0**-70) if dtype == np.float32 else (1.0,):  # with subnormal products
        a, b, bias = (normal(rng, dtype, *shape) * dtype(scale) for shape in ((5, 70), (70, 9), (9,)))
        naive.same(plain_loop(a, b, bias), naive.fused_matmul(a, b, bias))


@pytest.mark.parametrize("dtype", FLOATS)
def test_all_sizes(dtype):
    rng = np.random.default_rng(1)
    u = naive.unit_roundoff(dtype)
    numbers = normal(rng, dtype, 784, 784), normal(rng, dtype, 784, 784), normal(rng, dtype, 784)
    pairs = itertools.cycle(itertools.product(LAYOUTS, LAYOUTS))
    for m, k, n in itertools.product(LENGTHS, repeat=3):
        first, second = next(pairs)
        a, b = numbers[0][:m, :k], numbers[1][:k, :n]
        bias = numbers[2][:n] if (m + k + n) % 2 else None
        c = check(first(a), second(b), bias)
        if bias is None and m * k * n <= 1e6:
            wide = np.float64 if dtype == np.float32 else np.longdouble
            exact = a.astype(wide) @ b.astype(wide)
            bound = k * u / (1 - k * u) * (np.abs(a).astype(wide) @ np.abs(b).astype(wide))
            naive.within(c, exact, bound)


@pytest.mark.parametrize("dtype", FLOATS)
def test_blocks_of_every_kind_and_their_remainders(dtype):
    rng = np.random.default_rng(2)
    direct, rows, k_block = module.DIRECT_ROWS, record.ROW_BLOCK, record.K_BLOCK
    columns = record.PACKED_BYTES // (k_block * np.dtype(dtype).itemsize)  # that are packed together
    for m, k, n in (
        (direct, k_block + 1, 8 * LANES + 1),
        (direct + 1, k_block + 1, 8 * LANES + 1),
        (direct + 8, 200, 12 * LANES + 3),
        (rows + 1, 2 * k_block + 1, 3 * LANES + 2),
        (2 * rows + 1, 3, 10 * LANES),
        (direct + 1, k_block, columns + 7),
        (direct + 3, k_block - 1, 2 * columns + LANES // 2 + 1),
        (direct + 1, 1024, 9 * LANES),  # rows a power of two apart
        (1, 2 * k_block + 1, 10 * LANES - 1),
        (3, 5, 4097),
    ):
        a, b, bias = normal(rng, dtype, m, k), normal(rng, dtype, k, n), normal(rng, dtype, n)
        for first, second in ((a, b), (np.asfortranarray(a), np.asfortranarray(b))):
            check(first, second, bias)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_large_b_is_read_some_rows_at_a_time(monkeypatch, dtype, threads):
    monkeypatch.setattr(module, "get_num_threads", lambda: threads)
    rng = np.random.default_rng(10)
    for m, k in ((1, 2 * STREAMS + 1), (3, 2 * STREAMS), (13, STREAMS + 5)):
        n = STREAMED_BYTES // (k * np.dtype(dtype).itemsize) + 1
        check(normal(rng, dtype, m, k), normal(rng, dtype, k, n), normal(rng, dtype, n))


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_width_and_few_rows(dtype):
    rng = np.random.default_rng(3)
    a, b = normal(rng, dtype, TALLEST + 1, 5), normal(rng, dtype, 5, 10 * LANES)
    for m, n in itertools.product((1, 2, 3, TALLEST, TALLEST + 1), range(1, 10 * LANES + 1)):
        check(a[:m], b[:, :n])


@pytest.mark.parametrize("dtype", FLOATS)
def test_every_number_of_few_rows(dtype):
    rng = np.random.default_rng(11)
    a, b = normal(rng, dtype, module.DIRECT_ROWS + 1, 5), normal(rng, dtype, 5, 16 * LANES)
    for m, n in itertools.product(range(1, len(a) + 1), (2 * LANES + 1, 7 * LANES, 15 * LANES + 2)):
        check(a[:m], b[:, :n])


@pytest.mark.parametrize("dtype", FLOATS)
def test_few_columns(dtype):
    rng = np.random.default_rng(12)
    lanes = 4 * LANES // np.dtype(dtype).itemsize
    a, b, bias = normal(rng, dtype, 40, 40), normal(rng, dtype, 40, 10), normal(rng, dtype, 10)
    rows = (lanes - 1, lanes, lanes + 1, 2 * lanes + 1, 40)
    for m, k, n in itertools.product(rows, range(1, 2 * lanes + 4), range(1, lanes // 2 + 2)):
        check(a[:m, :k], b[:k, :n], bias[:n])
        if n > 1:
            check(a[:m, :k], np.ascontiguousarray(b[:k, :n]))


@given(generators, st.sampled_from(FLOATS), *[st.sampled_from(EDGES)] * 3, layouts, layouts, layouts)
def test_every_layout(rng, dtype, m, k, n, first, second, third):
    a, b, bias = normal(rng, dtype, m, k), normal(rng, dtype, k, n), normal(rng, dtype, n)
    check(first(a), second(b), third(bias))


@pytest.mark.parametrize("dtype", FLOATS)
def test_rows_and_columns_that_repeat_in_memory(dtype):
    rng = np.random.default_rng(4)
    for m, k, n in itertools.product((1, 5, 70), (1, 9), (1, 3, 50)):
        a, b = normal(rng, dtype, m, k), normal(rng, dtype, k, n)
        for left in (np.broadcast_to(a[:1], (m, k)), np.broadcast_to(a[:, :1], (m, k))):
            check(left, b)
        for right in (np.broadcast_to(b[:1], (k, n)), np.broadcast_to(b[:, :1], (k, n))):
            check(a, right)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_row_has_the_same_bits_alone_and_in_any_batch(dtype):
    rng = np.random.default_rng(5)
    a, b = normal(rng, dtype, 300, 784), normal(rng, dtype, 784, 50)
    whole = matmul(a, b)
    for first, last in ((0, 1), (299, 300), (7, 13), (100, 133), (1, 300)):
        assert np.array_equal(bits(matmul(a[first:last], b)), bits(whole[first:last]))


@given(generators, st.sampled_from(FLOATS), layouts, layouts)
def test_vectors(rng, dtype, first, second):
    k, n = rng.integers(1, 40, 2)
    a, b = normal(rng, dtype, k), normal(rng, dtype, k, n)
    row = matmul(first(a), second(b))
    naive.same(row, check(a[None], b)[0])
    column = matmul(second(b.T), first(a))
    naive.same(column, check(b.T, a[:, None])[:, 0])
    naive.same(row, column)
    dot = matmul(first(a), second(b[:, 0]))
    assert dot.shape == ()
    assert dot == row[0]


STACKS = (
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 6)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 5)),
    ((2, 3, 4), (2, 4, 1)),
    ((2, 1, 4), (2, 4, 1)),
    ((1, 1, 3, 4), (4, 2)),
    ((0, 3, 4), (4, 5)),
    ((2, 3, 0), (0, 5)),
    ((2, 0, 4), (2, 4, 5)),
    ((0,), (0,)),
    ((0,), (2, 0, 3)),
)


@pytest.mark.parametrize(("left", "right"), STACKS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_stacks(left, right, layout):
    rng = np.random.default_rng(6)
    for dtype in FLOATS:
        a, b = normal(rng, dtype, *left), normal(rng, dtype, *right)
        c = matmul(layout(a), layout(b))
        reference = np.matmul(a, b)
        assert c.shape == reference.shape
        assert c.dtype == dtype
        k = left[-1]
        u = naive.unit_roundoff(dtype)
        naive.within(c, reference, 2 * k * u / (1 - k * u) * np.matmul(np.abs(a), np.abs(b)))
        if c.size and len(left) > 1 < len(right):
            batch = c.shape[:-2]
            matrices = [np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in (a, b)]
            for index in np.ndindex(*batch):
                naive.same(c[index], check(matrices[0][index], matrices[1][index]))


def test_a_stack_repeated_along_its_axis():
    a = normal(np.random.default_rng(7), np.float32, 3, 4)
    c = matmul(np.broadcast_to(a, (5, 3, 4)), np.broadcast_to(a.T, (5, 4, 3)))
    for each in c:
        naive.same(each, check(a, a.T))


@pytest.mark.parametrize("dtype", FLOATS)
def test_stacks_and_single_columns_start_from_the_bias(dtype):
    rng = np.random.default_rng(8)
    a, b, bias = normal(rng, dtype, 2, 3, 4), normal(rng, dtype, 2, 4, 5), normal(rng, dtype, 5)
    for i, c in enumerate(matmul(a, b, bias)):
        naive.same(c, check(a[i], b[i], bias))
    naive.same(matmul(a, b[0], bias), np.stack([check(each, b[0], bias) for each in a]))
    naive.same(
        matmul(a, b[..., :1], bias[:1]), np.stack([check(a[i], b[i, :, :1], bias[:1]) for i in (0, 1)])
    )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_share_the_rows_of_a_product_with_few_columns(monkeypatch, dtype, threads):
    monkeypatch.setattr(module, "ALONE_MATRIX", 0)
    monkeypatch.setattr(module, "get_num_threads", lambda: threads)
    rng = np.random.default_rng(9)
    for m, k in itertools.product(
        (1, 2, LANES - 1, LANES, LANES + 1, 5 * LANES + 3), (1, 3, LANES, 2 * LANES + 5)
    ):
        a, b, bias = normal(rng, dtype, m, k), normal(rng, dtype, k, 3), normal(rng, dtype, 1)
        naive.same(matmul(a, b[:, 1:2], bias), check(a, b[:, 1:2], bias))
        naive.same(matmul(np.asfortranarray(a)[::-1], b[:, :1]), check(a[::-1], b[:, :1]))
        check(a, b)
    page = 4096 // np.dtype(dtype).itemsize  # rows as far apart lie in one set of L1
    a, b = normal(rng, dtype, 3 * LANES + 1, page), normal(rng, dtype, page, 1)
    naive.same(matmul(a, b), check(a, b))


@pytest.mark.parametrize("dtype", FLOATS)
def test_no_terms_give_the_bias(dtype):
    a, b, bias = np.ones((3, 0), dtype), np.ones((0, 2), dtype), np.array([-0.0, 2.0], dtype)
    naive.same(matmul(a, b), np.zeros((3, 2), dtype))
    naive.same(matmul(a, b, bias), np.array([[0.0, 2.0]] * 3, dtype))
    assert matmul(np.ones((0, 3), dtype), np.ones((3, 2), dtype)).shape == (0, 2)
    assert matmul(np.ones((2, 3), dtype), np.ones((3, 0), dtype)).shape == (2, 0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("special", [np.inf, -np.inf, np.nan])
def test_zero_times_infinity_or_nan_is_nan(dtype, special):
    for m, k, n in ((1, 3, 2), (7, 31, 50), (65, 64, 17)):
        for i, at, j in ((0, 0, 0), (m - 1, k - 1, n - 1), (m // 2, k // 2, n // 2)):
            a, b = np.zeros((m, k), dtype), np.ones((k, n), dtype)
            b[at, j] = special
            c = matmul(a, b)
            expected = np.zeros((m, n), bool)
            expected[:, j] = True
            assert np.array_equal(np.isnan(c), expected)
            a[i, at] = 1
            assert matmul(a, b)[i, j] == special or np.isnan(special)


@pytest.mark.parametrize("dtype", FLOATS)
def test_infinities_are_kept_and_overflow_is_infinite(dtype):
    large = np.finfo(dtype).max
    with np.errstate(all="raise"):  # kernels raise no floating-point warnings
        assert matmul(np.full((2, 2), large), np.full((2, 2), large)).tolist() == [[np.inf] * 2] * 2
    assert np.isnan(matmul(np.array([[np.inf, np.inf]], dtype), np.array([[1.0, 1], [-1, 1]], dtype))[0, 0])


@pytest.mark.parametrize("dtype", FLOATS)
def test_subnormals_are_kept(dtype):
    smallest = np.finfo(dtype).smallest_subnormal
    for m, k, n in ((1, 1, 1), (7, 3, 20), (70, 40, 70)):
        a, b = np.full((m, k), smallest), np.ones((k, n), dtype)
        naive.same(matmul(a, b), np.full((m, n), k * smallest, dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sum_that_underflows_is_no_negative_zero(dtype):
    tiny = np.finfo(dtype).tiny
    for m, n in ((1, 1), (1, 20), (9, 20)):
        c = matmul(np.full((m, 1), -tiny), np.full((1, n), tiny), np.full(n, -0.0, dtype))
        naive.same(c, np.zeros((m, n), dtype))


def test_operands_stay_and_the_result_is_new():
    a = read_only(normal(np.random.default_rng(9), np.float32, 20, 20))
    before = a.copy()
    for c in (matmul(a, a), matmul(a, a.T), matmul(a[:1], a), matmul(a, a[:, :1])):
        assert not np.shares_memory(a, c)
        assert c.flags.writeable
    naive.same(a, before)


def test_threads_get_the_same_bits():
    rng = np.random.default_rng(10)
    a, b = normal(rng, np.float32, 150, 300), normal(rng, np.float32, 300, 150)
    expected, found = matmul(a, b), []
    threads = [threading.Thread(target=lambda: found.append(matmul(a, b))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(threads)
    for c in found:
        naive.same(c, expected)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, bool])
def test_integers_are_numpys_and_mixed_dtypes_are_ours(dtype):
    a = np.arange(6).reshape(2, 3).astype(dtype)
    naive.same(matmul(a, a.T), np.matmul(a, a.T))
    for floating in FLOATS:
        b = np.arange(12, dtype=floating).reshape(3, 4)
        naive.same(matmul(a, b), np.matmul(a.astype(float), b.astype(float)).astype(np.result_type(a, b)))
    assert matmul(np.ones((2, 2), np.float32), np.ones((2, 2))).dtype == np.float64


@pytest.mark.parametrize("dtype", [">f4", ">f8", np.float16, np.complex64, object, "U1", "M8[s]"])
def test_other_dtypes_are_refused(dtype):
    odd, floats = np.zeros((2, 2), dtype), np.zeros((2, 2), np.float32)
    if odd.dtype.isnative and odd.dtype.byteorder == ">":
        pytest.skip("big-endian is this machine's own byte order")
    for a, b in ((odd, floats), (floats, odd), (odd, odd)):
        with pytest.raises(DtypeError, match="matmul: expected float32, float64 or integer arrays, got"):
            matmul(a, b)


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_a_tensor_converts_byte_order_and_alignment(dtype):
    values = normal(np.random.default_rng(11), np.float64, 5, 5).astype(dtype)
    native = values.astype(np.dtype(dtype).newbyteorder("="))
    unaligned = np.zeros(native.nbytes + 1, np.uint8)[1:].view(native.dtype).reshape(5, 5)
    unaligned[:] = native
    packed = np.zeros((5, 5), [("flag", np.uint8), ("value", native.dtype)])["value"]  # 5 or 9 bytes apart
    packed[:] = native
    expected = check(native, native)
    for array in (values, unaligned, packed):
        naive.same((tt.Tensor(array) @ tt.Tensor(array)).numpy(), expected)


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        ((2, 3), (2, 3), r"@ \(2, 3\): k is 3 on the left and 2 on the right; did you mean a @ b.T\?"),
        ((2, 3), (4, 5), r"k is 3 on the left and 4 on the right$"),
        ((3,), (4,), r"k is 3 on the left and 4 on the right$"),
        ((2, 3), (2,), r"k is 3 on the left and 2 on the right$"),
        ((), (2, 2), r"expected at least one axis, got \(\) @ \(2, 2\); use \* for scalars"),
        ((2, 2), (), r"expected at least one axis"),
        ((2, 3, 4), (3, 4, 5), r"the leading axes of \(2, 3, 4\) and \(3, 4, 5\) do not broadcast"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit(left, right, message):
    for dtype in (*FLOATS, np.int64):
        with pytest.raises(ShapeError, match=message):
            matmul(np.ones(left, dtype), np.ones(right, dtype))


def test_a_bias_of_another_length_is_refused():
    for columns in (1, 2):
        with pytest.raises(ShapeError, match=rf"expected a bias of shape \({columns},\), got \(3,\)"):
            matmul(np.ones((2, 2)), np.ones((2, columns)), np.ones(3))
