"""The corners of ONNX's operations that its own tests, run in tests/io, do not reach."""

import numpy as np
import pytest

import tinytensor as tt
from tests.strategies import LAYOUTS
from tinytensor.operators.definition import NUMPY
from tinytensor.operators.normalization import layer_normalization
from tinytensor.operators.table import OPERATIONS, OPERATORS


def run(name, *operands, **attributes):
    tensors = [None if each is None else tt.Tensor(each, np.asarray(each).dtype) for each in operands]
    return tt.Operator(name, attributes).forward(*tensors)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8])
def test_integers_divide_as_c_does(dtype):
    signed = np.dtype(dtype).kind == "i"
    a = np.array([7, -7 if signed else 7, 6, -6 if signed else 6, 0], dtype)
    b = np.array([2, 2, -3 if signed else 3, -3 if signed else 3, 5], dtype)
    quotient = run("Div", a, b)
    assert quotient.tolist() == [int(x / y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert quotient.dtype == dtype


def test_powers_have_the_dtype_of_the_base():
    assert run("Pow", np.array([2, 3], np.int32), np.array([2.0, 0.5])).tolist() == [4, 1]
    assert run("Pow", np.array([2, 3]), np.array([-1, 2])).tolist() == [0, 9]
    assert run("Pow", np.array([2.0], np.float32), np.array([-1])).dtype == np.float32


@pytest.mark.parametrize("to", ["bool", "int64", "uint8", "float32", "float64"])
def test_casts_are_cs(to):
    x = np.array([0.0, 1.9, 2.0, 100.5], np.float32)
    assert np.array_equal(run("Cast", x, to=to), x.astype(to))


def test_reductions_of_nothing():
    x = np.zeros((2, 0), np.float32)
    assert run("ReduceSum", x, np.array([1])).tolist() == [[0.0], [0.0]]
    assert run("ReduceMax", x, np.array([1]), keepdims=0).tolist() == [-np.inf, -np.inf]
    assert np.isnan(run("ReduceMean", x).item())
    assert run("ReduceMax", np.zeros((0,), np.int32), None, keepdims=0).item() == np.iinfo(np.int32).min
    assert run("ReduceSum", np.ones((2, 2)), np.array([], np.int64), noop_with_empty_axes=1).shape == (2, 2)
    assert run("ReduceSum", np.ones((2, 2), np.int32), keepdims=0).dtype == np.int32


def test_shapes_that_do_not_fit():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(tt.ShapeError, match="keeps an axis"):
        run("Reshape", x, np.array([2, 3, 0]))
    with pytest.raises(tt.ShapeError, match="no axis 5"):
        run("Flatten", x, axis=5)
    with pytest.raises(tt.ShapeError, match="Gather"):
        run("Gather", x, np.array([7]))
    with pytest.raises(tt.ShapeError, match="PReLU"):
        run("PRelu", x, np.ones((4, 2, 3), np.float32))


def test_dropout_does_not_train():
    x = np.ones(3, np.float32)
    y, mask = run("Dropout", x, np.array(0.5, np.float32), np.array(False))
    assert np.array_equal(y, x)
    assert mask.tolist() == [True] * 3
    with pytest.raises(tt.ArgumentError, match="training_mode"):
        run("Dropout", x, np.array(0.5, np.float32), np.array(True))


def test_the_last_of_several_maxima():
    x = np.array([[2, 2, 1], [1, 3, 3]], np.float32)
    assert run("ArgMax", x, axis=1, keepdims=0).tolist() == [0, 1]
    assert run("ArgMax", x, axis=1, keepdims=0, select_last_index=1).tolist() == [1, 2]


def test_softmax_of_opset_12_is_over_all_that_follows():
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    flat = tt.softmax(x.reshape(2, 12)).numpy().reshape(2, 3, 4)
    assert np.array_equal(run("Softmax", x, axis=1, flatten=1), flat)


def test_every_operation_is_a_function():
    assert all(callable(each) for each in OPERATORS.values())


X = np.random.default_rng(0).standard_normal((5, 3, 1027)).astype(np.float32)
AXIS = np.array([-1])
K, MOVED = np.array(3), np.array([0.5], np.float32)
# One use of each operation whose result has a row for each row of x.
ROWS = {
    **dict.fromkeys(("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMin", "ReduceProd", "ReduceSumSquare"),
                    ((AXIS,), {})),
    **dict.fromkeys(("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Floor",
                     "IsInf", "IsNaN", "Reciprocal", "Round", "Shrink", "Sign", "Sin", "Sinh", "Tan"),
                    ((), {})),
    "ArgMin": ((), {"axis": -1}), "CumSum": ((np.array(-1),), {}), "TopK": ((K,), {}), "Hardmax": ((), {}),
    "InstanceNormalization": ((np.ones(3, np.float32), np.ones(3, np.float32)), {}),
    "LpNormalization": ((), {"p": 1}), "RMSNormalization": ((MOVED,), {}), "Normalizer": ((), {"norm": "L2"}),
    "Einsum": ((X[0, :1].T * X[0, 1, :4],), {"equation": "abc,cd->abd"}),
    "Sum": ((MOVED, MOVED), {}), "Mean": ((MOVED, MOVED), {}), "Mod": ((MOVED,), {"fmod": 1}),
    "Slice": ((np.array([1]), np.array([9]), np.array([2])), {}), "Trilu": ((), {}),
    "Equal": ((MOVED,), {}), "ArrayFeatureExtractor": ((np.array([3, 1, 3]),), {}),
    "Split": ((), {"axis": 2, "num_outputs": 2}), "Pad": ((np.array([0, 0, 2, 0, 0, -3]),), {}),
}  # fmt: skip


def outcome(name, x):
    operands, attributes = ROWS[name]
    y = run(name, x, *operands, **attributes)
    return [each.numpy() for each in (y if isinstance(y, tuple) else (y,))]


@pytest.mark.parametrize("name", ROWS)
def test_neither_batch_nor_layout_changes_a_bit(name):
    whole = outcome(name, X)
    for layout in LAYOUTS:
        for a, b in zip(whole, outcome(name, layout(X)), strict=True):
            assert a.tobytes() == b.tobytes()
    for row in range(len(X)):
        for a, b in zip(whole, outcome(name, X[row : row + 1]), strict=True):
            assert a[row].tobytes() == b[0].tobytes()


@pytest.mark.parametrize(
    "name", ["Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Atanh"]
)
def test_functions_are_rounded_once(name):
    import mpmath

    x = np.concatenate([np.linspace(-0.99, 0.99, 199), [1e-30, -1e-20, 0.0]]).astype(np.float32)
    with mpmath.workdps(40):
        exact = [float(getattr(mpmath, name.lower())(mpmath.mpf(float(each)))) for each in x]
    assert np.array_equal(run(name, x), np.array(exact).astype(np.float32))
    assert np.isnan(run(name, np.array([np.nan], np.float32)).item())


def test_what_nan_and_infinity_become():
    x = np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)
    assert np.array_equal(run("Sign", x), np.array([np.nan, 1, -1, 0], np.float32), equal_nan=True)
    assert run("IsNaN", x).tolist() == [True, False, False, False]
    assert run("IsInf", x, detect_negative=0).tolist() == [False, True, False, False]
    assert run("IsInf", x, detect_positive=0).tolist() == [False, False, True, False]
    assert run("Equal", x, x).tolist() == [False, True, True, True]
    assert np.array_equal(run("Reciprocal", x), np.array([np.nan, 0, -0.0, -np.inf]), equal_nan=True)
    assert run("Round", np.array([0.5, 1.5, -2.5], np.float32)).tolist() == [0.0, 2.0, -2.0]
    assert np.isnan(run("ReduceMin", x[:2], keepdims=0).item())
    assert run("ReduceLogSumExp", x[1:2], keepdims=0).item() == np.inf
    assert run("ReduceLogSumExp", x[2:3], keepdims=0).item() == -np.inf

    def folded(name, value):
        return run(name, np.array([value, value], np.float32), keepdims=0).item()

    assert folded("ReduceLogSumExp", 1e4) == np.float32(1e4 + np.log(2))
    assert folded("ReduceL2", 3e38) == np.inf
    assert folded("ReduceL2", 1e30) < np.inf  # the squares are float64


def test_folds_of_nothing():
    x, axes = np.zeros((2, 0), np.float32), np.array([1])
    found = {name: run(name, x, axes, keepdims=0).tolist()[0] for name in NUMPY if name.startswith("Reduce")}
    assert found == {
        "ReduceL1": 0, "ReduceL2": 0, "ReduceLogSum": -np.inf, "ReduceLogSumExp": -np.inf,
        "ReduceMin": np.inf, "ReduceProd": 1, "ReduceSumSquare": 0,
    }  # fmt: skip
    squares = run("ReduceSumSquare", X, np.array([], np.int64), noop_with_empty_axes=1)
    assert np.array_equal(squares, (X.astype(float) ** 2).astype(np.float32))


def test_remainders_have_a_sign():
    a, b = np.array([7, -7, 7, -7]), np.array([3, 3, -3, -3])
    assert run("Mod", a, b).tolist() == [1, 2, -2, -1]
    assert run("Mod", a, b, fmod=1).tolist() == [1, -1, 1, -1]


def test_the_first_of_equal_ones():
    x = np.array([[2, 7, 7, 2, 1]], np.float32)
    values, where = run("TopK", x, np.array([3]))
    assert (values.tolist(), where.tolist()) == ([[7, 7, 2]], [[1, 2, 0]])
    values, where = run("TopK", x, np.array([3]), largest=0)
    assert (values.tolist(), where.tolist()) == ([[1, 2, 2]], [[4, 0, 3]])
    assert run("Hardmax", x).tolist() == [[0, 1, 0, 0, 0]]
    assert run("ArgMin", x, axis=1, select_last_index=1).tolist() == [[4]]


I = np.array  # noqa: E741


@pytest.mark.parametrize(
    ("name", "operands", "attributes"),
    [
        ("Split", (X, I([1, 1])), {"axis": 2, "num_outputs": 2}),
        ("Split", (X, I([1027])), {"axis": 2, "num_outputs": 2}),
        ("TopK", (X, I([9999])), {}),
        ("TopK", (X, I([-1])), {}),
        ("Expand", (X, I([4, 4, 4])), {}),
        ("Expand", (X, I([1 << 40] * 3)), {}),
        ("Tile", (X, I([2])), {}),
        ("Range", (I(0), I(1), I(0)), {}),
        ("GatherElements", (X, I([[9]])), {}),
        ("GatherND", (X, I([[9]])), {}),
        ("ScatterND", (X, I([[0]]), I([[1.0] * 7], np.float32)), {}),
        ("Slice", (X, I([0]), I([1]), I([7])), {}),
        ("Slice", (X, I([0]), I([1]), I([0]), I([0])), {}),
        ("Pad", (X, I([1, 1])), {}),
        ("Einsum", (X, X), {"equation": "ab,bc->ac"}),
        ("Einsum", (X,), {"equation": "abc,c->ab"}),
        ("Einsum", (X, X[:, :, :5]), {"equation": "abc,abc->ab"}),
        ("Sum", (X, I([1.0, 2.0], np.float32)), {}),
        ("ReverseSequence", (X, I([1, 2])), {}),
        ("ArgMin", (X,), {"axis": 5}),
        ("ReduceL1", (X, I([7])), {}),
        ("OneHot", (I([1]), I([1 << 50]), I([0.0, 1.0])), {}),
        ("LabelEncoder", (X, I([1.0]), I([1.0, 2.0]), I([0.0])), {"axis": 1}),
    ],
)
def test_operands_that_do_not_fit(name, operands, attributes):
    with pytest.raises((tt.ShapeError, tt.ArgumentError)):
        run(name, *operands, **attributes)


def test_every_operation_is_documented_and_inferred():
    for name, each in OPERATIONS.items():
        assert each.compute.__doc__
        assert callable(each.shape)
        assert each.newest >= 1
        assert OPERATORS[name] is each.compute


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("Conv", {"strides": [1]}), ("Conv", {"dilations": [0, 1]}), ("Conv", {"pads": [1, 1]}),
        ("Conv", {"kernel_shape": [2, 2]}), ("ConvTranspose", {"strides": [1, 1, 1]}),
        ("ConvTranspose", {"output_padding": [-1, 0]}), ("MaxPool", {"kernel_shape": [2]}),
        ("AveragePool", {"kernel_shape": [0, 1]}), ("DepthToSpace", {"blocksize": 0}),
        ("SpaceToDepth", {"blocksize": -2}), ("LRN", {"size": 0}), ("GroupNormalization", {"num_groups": 3}),
    ],
)  # fmt: skip
def test_attributes_of_images_that_do_not_fit(name, attributes):
    x, w, four = np.ones((2, 4, 5, 6), np.float32), np.ones((4, 4, 3, 3), np.float32), np.ones(4, np.float32)
    more = {"Conv": [w], "ConvTranspose": [w], "GroupNormalization": [four, four]}.get(name, [])
    with pytest.raises(tt.ShapeError, match=name):
        run(name, x, *more, **attributes)


@pytest.mark.parametrize(
    ("name", "more", "attributes", "said"),
    [
        ("Conv", [np.ones((4, 4, 7, 3), np.float32)], {}, "a kernel of 7×3 is larger than the image of 5×6"),
        ("Conv", [np.ones((4, 3, 3, 3), np.float32)], {}, r"expected \(batch, 3, height, width\), got"),
        ("ConvTranspose", [np.ones((4, 4, 3, 3), np.float32)], {"pads": [4, 0, 4, 0]}, "cuts off all"),
        ("ConvTranspose", [np.ones((3, 4, 3, 3), np.float32)], {}, r"expected \(batch, 3, height, width\)"),
        ("MaxPool", [], {"kernel_shape": [6, 1]}, "a kernel of 6×1 is larger than the image of 5×6"),
        ("AveragePool", [], {"kernel_shape": [1, 7]}, "a kernel of 1×7 is larger than the image of 5×6"),
        ("DepthToSpace", [], {"blocksize": 3}, r"channels that 3² divides, got 4"),
        ("SpaceToDepth", [], {"blocksize": 2}, "a height and a width that 2 divides, got 5×6"),
        ("InstanceNormalization", [np.ones(3, np.float32)] * 2, {}, "for each of 4 channels, got shapes"),
        ("Resize", [None, np.float32([1, 1, 0.1, 1])], {}, r"nothing would be left of axes .* \[4, 0, 6\]"),
        ("Resize", [None, None, np.array([2, 4, 5, 0])], {}, "nothing would be left of axes"),
        ("Pad", [np.array([1, 1]), None, np.array([7])], {}, "Pad: list assignment index out of range"),
        ("Resize", [None, np.float32([2])], {"axes": [4]}, "Resize: range object index out of range"),
        ("Pad", [np.array([0, 0, -3, 0, 0, 0, -3, 0])], {}, "cuts off more than all of an axis of 5"),
    ],
)  # fmt: skip
def test_images_that_do_not_fit(name, more, attributes, said):
    x = np.ones((2, 4, 5, 6), np.float32)
    with pytest.raises(tt.ShapeError, match=said):
        run(name, x, *more, **attributes)


@pytest.mark.parametrize(
    "scales", [[1, 1, 0, 2], [1, 1, -1, 2], [1, 1, 2], [1, 1, np.nan, 1], [1, 1, 1e-9, 1]]
)
def test_scales_that_do_not_fit(scales):
    x = np.ones((2, 4, 5, 6), np.float32)
    with pytest.raises(tt.ShapeError, match="Resize"):
        run("Resize", x, None, np.float32(scales), antialias=1, mode="linear")


def test_integers_are_pooled_as_they_are():
    x = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    y = run("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    assert y.dtype == np.uint8
    assert y.tolist() == [[[[5, 7], [13, 15]]]]


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("...ij,...jk->...ik", [(2, 3, 4, 5), (2, 3, 5, 2)]),
        ("i...->...", [(3, 2, 4, 2)]),
        ("...ij->...ji", [(2, 3, 4, 5)]),
        ("ab,bc,cd", [(2, 3), (3, 4), (4, 5)]),
        ("b,ab,a->ab", [(3,), (2, 3), (2,)]),
    ],
)
def test_einsum_is_that_of_numpy(equation, shapes):
    operands = [np.arange(np.prod(shape)).reshape(shape) % 7 - 3.0 for shape in shapes]
    y = run("Einsum", *operands, equation=equation)
    assert y.tolist() == np.einsum(equation, *operands).tolist()


@pytest.mark.parametrize("lengths", [(5,), (3, 4), (2, 3, 2)])
def test_the_largest_of_all_pixels(lengths):
    x = np.random.default_rng(0).permutation(6 * np.prod(lengths)).reshape(2, 3, *lengths).astype(np.float32)
    y = run("GlobalMaxPool", x)
    assert y.shape == (2, 3, *(1 for _ in lengths))
    assert y.numpy().ravel().tolist() == x.reshape(6, -1).max(1).tolist()


def test_shrinking_moves_towards_0_beyond_a_bound():
    y = run("Shrink", np.float32([-3, -1.5, -1, 0, 1, 1.5, 3]), lambd=1.25, bias=0.5)
    assert y.tolist() == [-2.5, -1, 0, 0, 0, 1, 2.5]


def test_a_layer_normalization_without_bias():
    x = np.random.default_rng(0).standard_normal((5, 7))
    scale = np.linspace(-2, 3, 7)
    y, mean, inverse = layer_normalization(tt.Tensor(x), tt.Tensor(scale))
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    wanted = (x - x.mean(axis=1, keepdims=True)) / deviation * scale
    bound = 32 * np.finfo(np.float64).eps  # sums of 7 numbers below 4, a root, a quotient, a product
    np.testing.assert_allclose(y, wanted, atol=bound * np.abs(scale).max(), rtol=bound)
    np.testing.assert_allclose(mean, x.mean(axis=1, keepdims=True), atol=bound)
    np.testing.assert_allclose(inverse, 1 / deviation, rtol=bound)
