"""The corners of ONNX's operations that its own tests, run in tests/io, do not reach."""

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.operators.table import OPERATORS


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
