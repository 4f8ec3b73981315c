"""Arguments that people give by mistake: the error says what was expected."""

import os
from functools import reduce

import numpy as np
import pytest

import tinytensor as tt
from tests.custom import Scale, squareplus

MODEL = tt.Sequential(tt.Linear(3, 2, seed=0), tt.relu)
X = np.ones((5, 3), np.float32)


@pytest.fixture
def path(tmp_path):
    tt.Sequential(Scale([1.0, 2.0]), squareplus).save(tmp_path / "m.npz")
    return tmp_path / "m.npz"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Scale, r"expected a list or dict, got <class '.*Scale'>; did you mean custom_objects=\[Scale\]\?"),
        (squareplus, r"did you mean custom_objects=\[Squareplus\]\?"),
        ("Scale", "expected a list or dict, got 'Scale'$"),
        (3, "expected a list or dict, got 3$"),
        ([Scale, 3], "expected layers and activations by name, got 'int': 3"),
        ({"Scale": Scale, "Squareplus": None}, "got 'Squareplus': None"),
        ({3: Scale}, "got 3: <class"),
        ([tt.Linear], "Linear is a class that tinytensor knows"),
    ],
)  # fmt: skip
def test_custom_objects(path, given, said):
    with pytest.raises(tt.ArgumentError, match=f"custom_objects: .*{said}|custom_objects: {said}"):
        tt.load(path, custom_objects=given)


@pytest.mark.parametrize(
    "given",
    [
        [Scale, squareplus],
        (Scale, squareplus),
        {Scale, type(squareplus)},
        iter([Scale, squareplus]),
        {"Scale": Scale, "Squareplus": squareplus},
    ],
    ids=lambda each: type(each).__name__,
)
def test_custom_objects_as_they_may_be(path, given):
    assert repr(tt.load(path, custom_objects=given)[0]) == repr(Scale([1.0, 2.0]))


@pytest.mark.parametrize("progress", [print, 1, 0, "yes", None])
@pytest.mark.parametrize("batch_size", [None, 2])
def test_progress(progress, batch_size):
    MODEL.predict(X)  # the next call may take the short way
    with pytest.raises(tt.DtypeError, match="predict: progress: expected True or False") as error:
        MODEL.predict(X, batch_size=batch_size, progress=progress)
    assert ("predict_batches" in str(error.value)) == callable(progress)


def test_what_the_advice_on_progress_says_works():
    done = []
    for y in MODEL.predict_batches(X, 2):
        done.append(len(y))
    assert done == [2, 2, 1]
    assert np.array_equal(MODEL.predict(X, progress=np.False_), MODEL.predict(X))


@pytest.mark.parametrize(
    "shape", ["a", 3, -1, True, 2.5, ("a",), (2.5,), (-1,), (0,), [[3]], (True,), {3: 1}, (2**63,)], ids=str
)
def test_to_onnx_shape(shape):
    pytest.importorskip("onnx")
    with pytest.raises(
        tt.ShapeError, match=r"to_onnx: shape: expected the lengths of one sample, as \(784,\)"
    ):
        tt.to_onnx(MODEL, shape=shape)


@pytest.mark.parametrize("shape", [(3,), [3], np.array([3]), (np.int64(3),), (None, 3), range(3, 4)], ids=str)
def test_to_onnx_shapes_as_they_may_be(shape):
    pytest.importorskip("onnx")
    dims = tt.to_onnx(MODEL, shape=shape).graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_value for each in dims][-1] == 3
    assert len(dims) == 1 + len(shape)


def test_to_onnx_of_no_model():
    pytest.importorskip("onnx")
    with pytest.raises(tt.DtypeError, match="to_onnx: expected a model, got 3"):
        tt.to_onnx(3)


@pytest.mark.parametrize("name", ["nodir/m.npz", "nodir/deep/m.safetensors", "file/m.py"])
def test_save_into_a_folder_that_is_not_there(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="there is no such folder; make it first") as error:
        MODEL.save(tmp_path / name)
    assert error.value.filename == str((tmp_path / name).parent)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("wrong", [3, None, b"m.npz", MODEL, open], ids=lambda each: type(each).__name__)
def test_what_is_no_path(wrong):
    with pytest.raises(tt.DtypeError, match="save: expected a path, got"):
        MODEL.save(wrong)
    with pytest.raises(tt.DtypeError, match="load: expected a path, got"):
        tt.load(wrong)


def test_arguments_of_save_the_other_way_round(tmp_path):
    with pytest.raises(tt.DtypeError, match="save: expected a model, then a path, got"):
        tt.io.save(tmp_path / "m.npz", MODEL)


LINEAR = tt.Sequential(tt.Linear(3, 2, seed=0))
EMPTY, SEVERAL, NUMBER = np.ones(0), np.ones((2, 3)), np.array(1.0)
DEEP = reduce(lambda inner, _: [inner], range(70), [1.0])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: LINEAR.outputs(SEVERAL, EMPTY), "expected the name or the index of a layer"),
        (lambda: LINEAR.outputs(SEVERAL, SEVERAL), "expected the name or the index of a layer"),
        (lambda: LINEAR.outputs(SEVERAL, 1.5), "expected the name or the index of a layer"),
        (lambda: LINEAR.profile(SEVERAL, SEVERAL), "profile: seconds: expected"),
        (lambda: LINEAR.predict_batches(SEVERAL, progress=SEVERAL), "predict_batches: progress: expected"),
        (lambda: LINEAR.extend(NUMBER), "expected a list of layers"),
        (lambda: tt.pad(SEVERAL, 1, EMPTY), "pad: mode: expected one of"),
        (lambda: tt.upsample(SEVERAL, 2, mode=EMPTY), "upsample: mode: expected one of"),
        (lambda: tt.Operator(SEVERAL), "Operator: expected one of"),
        (lambda: tt.Operator(["Add"]), "Operator: expected one of"),
        (lambda: tt.Operator("Add", 2), "Operator: attributes: expected a dict"),
        (lambda: tt.Activation()(SEVERAL), "Activation: expected a static method `scalar`"),
        (lambda: tt.LayerNorm(DEEP), "axes"),
        (lambda: tt.BatchNorm(DEEP), "axes"),
        (lambda: tt.BatchNorm(2**200), "shape: "),
        (lambda: tt.initializers.uniform((2, 3), bound={}), "uniform: bound: expected"),
        (lambda: LINEAR.load_state_dict(LINEAR.state_dict(), SEVERAL), "load_state_dict: strict: expected"),
        (lambda: LINEAR.predict_batches(NUMBER), "predict_batches: expected samples"),
    ],
)
def test_arguments_that_random_calls_found(call, said):
    with pytest.raises(tt.TinyTensorError, match=said):
        call()


def test_halves_are_a_word():
    pytest.importorskip("onnx")
    with pytest.raises(tt.ArgumentError, match="halves: expected"):
        tt.from_onnx(b"", halves=EMPTY)
