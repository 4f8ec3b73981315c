import copy
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.custom import Residual, Scale, squareplus
from tinytensor.inference import revision


def network():
    return tt.Sequential(
        tt.Flatten(),
        ("hidden", tt.Sequential(tt.Linear(6, 5, seed=0), ("act", tt.sigmoid))),
        ("out", tt.Linear(5, 3, seed=1)),
        tt.softmax,
    )


# Building


def test_layers_in_every_form():
    one, two = tt.Linear(2, 2), tt.relu
    for model in (
        tt.Sequential(one, two), tt.Sequential([one, two]), tt.Sequential((one, two)),
        tt.Sequential(iter([one, two])), tt.Sequential([one], two), tt.Sequential([[one, [two]]]),
    ):  # fmt: skip
        assert list(model) == [one, two]
        assert list(model.children()) == ["0", "1"]
    for model in (
        tt.Sequential(("a", one), ("b", two)), tt.Sequential({"a": one, "b": two}),
        tt.Sequential(a=one, b=two), tt.Sequential([("a", one)], {"b": two}),
        tt.Sequential(("a", one), b=two),
    ):  # fmt: skip
        assert model.children() == {"a": one, "b": two}
    assert list(tt.Sequential(one, last=two).children()) == ["0", "last"]


def test_a_sequential_inside_is_one_layer():
    inner = tt.Sequential(tt.relu, tt.tanh)
    assert list(tt.Sequential(inner)) == [inner]
    assert list(tt.Sequential([inner, tt.relu])) == [inner, tt.relu]


def test_an_empty_one_is_the_identity():
    assert tt.Sequential()([1.0, 2.0]).tolist() == [1.0, 2.0]
    assert (len(tt.Sequential()), repr(tt.Sequential())) == (0, "Sequential()")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (3, "expected a layer, got 3"),
        (tt.ReLU, r"expected a layer, got .*; did you mean ReLU\(…\)\?"),
        (np.tanh, r"expected a layer, got .*; did you mean Lambda\(tanh\)\?"),
        (None, "expected a layer, got None"),
        ("relu", r"expected a layer, got 'relu'; an activation by its name is tt\.activations\.get"),
        (("a", "b"), "expected a layer, got 'b'"),
        ([tt.relu, "x"], "expected a layer, got 'x'"),
    ],
)
def test_what_is_no_layer(wrong, message):
    with pytest.raises(tt.DtypeError, match=message):
        tt.Sequential(tt.relu, wrong)


@pytest.mark.parametrize("name", ["", "a.b", "7", 7, b"a"])
def test_what_is_no_name(name):
    with pytest.raises(tt.ArgumentError, match="expected a name without dots that is no number"):
        tt.Sequential((name, tt.relu))


def test_a_name_twice():
    with pytest.raises(tt.ArgumentError, match="expected different names, got a twice"):
        tt.Sequential(("a", tt.relu), ("b", tt.relu), ("a", tt.tanh))


def test_a_model_inside_itself():
    model = tt.Sequential(tt.relu)
    with pytest.raises(tt.ArgumentError, match="cannot contain itself"):
        model.append(model)
    outer = tt.Sequential(tt.Sequential(Residual(model)))
    for insert in (
        model.append,
        lambda layer: model.insert(0, layer),
        lambda layer: model.extend([tt.tanh, layer]),
    ):
        with pytest.raises(tt.ArgumentError, match="cannot contain itself"):
            insert(outer)
    assert list(model) == [tt.relu]


# As a list


@st.composite
def list_operations(draw):
    kind = draw(st.sampled_from(["append", "insert", "pop", "extend", "set", "del", "slice"]))
    return kind, draw(st.integers(-6, 6)), draw(st.integers(-6, 6)), draw(st.integers(0, 3))


@given(operations=st.lists(list_operations(), max_size=12))
def test_it_behaves_like_a_list(operations):
    layers = [tt.LeakyReLU(i / 8) for i in range(4)]
    model, plain = tt.Sequential(layers[:2]), layers[:2]

    def both(change):
        outcomes = []
        for target in (model, plain):
            try:
                outcomes.append(change(target))
            except IndexError:
                outcomes.append(IndexError)
        assert outcomes[0] is outcomes[1] or list(outcomes[0]) == outcomes[1]

    for kind, i, j, which in operations:
        layer = layers[which]
        if kind == "append":
            both(lambda target, layer=layer: target.append(layer))
        elif kind == "insert":
            both(lambda target, i=i, layer=layer: target.insert(i, layer))
        elif kind == "pop":
            both(lambda target, i=i: target.pop(i))
        elif kind == "extend":
            both(lambda target, layer=layer: target.extend([layer, layer]))
        elif kind == "set":
            both(lambda target, i=i, layer=layer: target.__setitem__(i, layer))
        elif kind == "del":
            both(lambda target, i=i, j=j: target.__delitem__(slice(i, j)))
        else:
            both(lambda target, i=i, j=j: target[i:j])
        assert list(model) == plain
        assert len(model) == len(plain)
        assert list(model.children()) == [str(n) for n in range(len(plain))]


def test_plus_makes_a_new_one():
    left, right = tt.Sequential(("a", tt.relu)), tt.Sequential(tt.tanh, ("c", tt.sigmoid))
    both = left + right
    assert list(both.children()) == ["a", "1", "c"]
    more = [tt.tanh]
    assert list(left + more) == [tt.relu, tt.tanh]
    assert list(left) == [tt.relu]
    left += right
    assert list(left.children()) == ["a", "1", "c"]
    with pytest.raises(tt.ArgumentError, match="got a, c twice"):
        left + left
    with pytest.raises(tt.DtypeError, match="expected a list of layers, got 3; did you mean append"):
        left + 3


def test_lookup():
    model = network()
    assert model["out"] is model[2] is model[-2]
    assert model["3"] is model[3] is tt.softmax
    assert model["hidden.act"] is tt.sigmoid
    assert model["hidden.0"] is model[1][0]
    assert list(model[1:3].children()) == ["hidden", "out"]
    assert model[1:3][0] is model[1]
    with pytest.raises(IndexError, match="index 4 is out of range for 4 layers"):
        model[4]
    with pytest.raises(tt.ArgumentError, match="no layer is named 'nose'; there are 0, hidden, out, 3"):
        model["nose"]
    with pytest.raises(tt.ArgumentError, match="and has no layer 'weight'"):
        model["out.weight"]
    with pytest.raises(tt.DtypeError, match=r"expected an index, a slice or a name, got 1\.5"):
        model[1.5]


def test_names_stay_with_their_layers():
    model = network()
    model.insert(0, tt.Rescale(2.0))
    assert list(model.children()) == ["0", "1", "hidden", "out", "4"]
    assert model.pop("hidden") is not None
    assert list(model.children()) == ["0", "1", "out", "3"]
    model["out"] = tt.Linear(6, 2)
    assert list(model.children()) == ["0", "1", "out", "3"]
    model["out"] = ("last", tt.Linear(6, 3))
    assert list(model.children()) == ["0", "1", "last", "3"]


def test_a_change_that_fails_changes_nothing():
    model = tt.Sequential(("a", tt.relu), tt.tanh)
    for change in (
        lambda: model.extend([tt.relu, "x"]),
        lambda: model.extend([tt.relu, ("a", tt.relu)]),
        lambda: model.insert(0, None),
        lambda: model.__setitem__(slice(0, 2), [("b", tt.relu), ("b", tt.relu)]),
        lambda: model.__delitem__("b"),
    ):
        with pytest.raises(tt.TinyTensorError):
            change()
        assert model.children() == {"a": tt.relu, "1": tt.tanh}


def test_a_long_model_is_built_layer_by_layer():
    model = tt.Sequential()
    for _ in range(2000):  # what took a time that grows with the square of the length would be felt here
        model.append(tt.relu)
    assert len(model) == 2000
    assert model([1.0]).tolist() == [1.0]


def test_every_change_of_the_list_is_counted():
    model = tt.Sequential(tt.relu)
    for change in (
        lambda: model.append(tt.tanh), lambda: model.insert(0, tt.tanh), model.pop,
        lambda: model.extend([tt.relu]), lambda: model.__setitem__(0, tt.sigmoid),
        lambda: model.__delitem__(0),
    ):  # fmt: skip
        seen = revision.count
        change()
        assert revision.count > seen


# Running


def test_call_and_predict_compute_layer_by_layer():
    model = network()
    x = tt.normal((7, 2, 3), seed=2)
    expected = tt.softmax(model["out"](tt.sigmoid(model["hidden.0"](x.reshape((7, 6))))))
    assert type(model(x)) is tt.Tensor
    assert np.array_equal(model(x), expected)
    for batch_size in (None, 1, 2, 3, 7, 100):
        y = model.predict(x.numpy(), batch_size=batch_size)
        assert type(y) is np.ndarray
        assert np.array_equal(y, expected)


def test_predict_of_no_samples_and_of_one_vector():
    model = network()
    assert model.predict(np.zeros((0, 2, 3))).shape == (0, 3)
    assert model.predict(np.zeros((0, 2, 3)), batch_size=5).shape == (0, 3)
    assert model[1:].predict(np.zeros(6), batch_size=2).shape == (3,)


def test_predict_shows_progress(capsys):
    pytest.importorskip("rich")
    model = tt.Sequential(tt.relu)
    y = model.predict(np.ones((10, 2)), batch_size=3, progress=True)
    assert y.shape == (10, 2)
    assert "predicting" in capsys.readouterr().out


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_size_below_1(batch_size):
    with pytest.raises(tt.ArgumentError, match="batch_size: expected a positive integer"):
        network().predict(np.zeros((3, 6)), batch_size=batch_size)


def test_outputs_inside_the_model():
    model = network()
    x = tt.normal((4, 6), seed=2)
    seen = model.outputs(x)
    assert list(seen) == ["0", "hidden.0", "hidden.act", "hidden", "out", "3"]
    assert np.array_equal(seen["3"], model(x))
    assert np.array_equal(seen["hidden"], seen["hidden.act"])
    assert np.array_equal(seen["hidden.0"], model["hidden.0"](x))
    some = model.outputs(x, "hidden.act", -1, 0)
    assert list(some) == ["hidden.act", -1, 0]
    assert np.array_equal(some[-1], model(x))
    with pytest.raises(tt.ArgumentError, match="no layer is named 'nose'"):
        model.outputs(x, "nose")


def test_errors_name_position_and_layer():
    model = tt.Sequential(tt.Flatten(), tt.relu, tt.Linear(784, 50))
    with pytest.raises(tt.ShapeError) as error:
        model(tt.zeros((784, 100)))
    assert str(error.value) == (
        "Sequential[2] Linear(in_features=784, out_features=50): expected (batch, 784), got (784, 100); "
        "did you mean x.T?"
    )
    with pytest.raises(tt.ShapeError, match=r"^Sequential\[0\]\[1\]\[2\] Linear\(in_features=784, out"):
        tt.Sequential(tt.Sequential(tt.relu, model))(tt.zeros((784, 100)))
    with pytest.raises(tt.ShapeError, match=r"^Sequential\[0\]\[1\]\[2\] Linear\(in_features=784, out"):
        tt.Sequential(tt.Sequential(tt.relu, model)).outputs(tt.zeros((784, 100)))


def test_errors_of_tensors_in_a_custom_layer_name_it_too():
    with pytest.raises(tt.ShapeError, match=r"^Sequential\[1\] Scale\(factor=\[1.0, 2.0\]\): multiply: "):
        tt.Sequential(tt.relu, Scale([1.0, 2.0]))(tt.zeros((2, 3)))


def test_foreign_errors_keep_their_type_and_get_a_note():
    def fail(x):
        raise KeyError("mine")

    with pytest.raises(KeyError) as error:
        tt.Sequential(tt.Sequential(tt.Lambda(fail)))([1.0])
    assert error.value.args == ("mine",)
    assert error.value.__notes__ == [
        "in Sequential[0] Lambda(fail)",
        "in Sequential[0] Sequential(\n    Lambda(fail),\n)",
    ]


# Code and copies


def test_repr_is_the_code_that_builds_it():
    model = tt.Sequential(
        tt.Flatten(), tt.Reshape((2, -1)), tt.Rescale(1 / 255, -0.5), tt.Dropout(0.3),
        ("block", tt.Sequential(tt.Linear(3, 4, bias=False), tt.elu(alpha=0.5), tt.Sequential())),
        tt.Perceptron([[0.5] * 4], [-0.7]), tt.GELU("tanh"), tt.LogSoftmax(axis=0), tt.relu,
        Residual(tt.Sequential(tt.Linear(2, 2, dtype="float64"))),
    )  # fmt: skip
    scope = {"Residual": Residual}
    exec("from tinytensor import *", scope)
    again = eval(repr(model), scope)
    assert repr(again) == repr(model)
    assert {k: (v.shape, v.dtype) for k, v in again.parameters().items()} == {
        k: (v.shape, v.dtype) for k, v in model.parameters().items()
    }


def test_repr_of_a_nested_model():
    assert repr(tt.Sequential(("a", tt.Sequential(tt.relu)), tt.tanh)) == (
        "Sequential(\n    ('a', Sequential(\n        ReLU(),\n    )),\n    Tanh(),\n)"
    )


def test_copies():
    model = tt.Sequential(("a", tt.Linear(3, 2, seed=0)), squareplus(b=2.0))
    x = tt.normal((4, 3), seed=1)
    shallow, deep, pickled = copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    for again in (shallow, deep, pickled):
        assert repr(again) == repr(model)
        assert np.array_equal(again(x), model(x))
        again.append(tt.relu)
    assert len(model) == 2
    assert shallow["a"] is model["a"]
    assert deep["a"] is not model["a"]
    assert pickled["a"] is not model["a"]


def test_threads_that_change_the_list_and_run_it():
    model = tt.Sequential(tt.Identity())
    failures = []

    def change():
        for _ in range(300):
            model.append(tt.Identity())
            model.pop()

    def run():
        for _ in range(300):
            try:
                assert model([1.0]).tolist() == [1.0]
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=change), *(threading.Thread(target=run) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(model) == 1


def test_layers_are_found_by_identity():
    model = tt.Sequential(tt.Linear(3, 2, seed=0), tt.relu, tt.Linear(3, 2, seed=0), tt.relu)
    for array in (np.ones(3), np.ones(0), np.float32(1), None):
        assert array not in model
        assert model.count(array) == 0
        with pytest.raises(tt.ArgumentError, match="expected one of its layers"):
            model.index(array)
        with pytest.raises(tt.ArgumentError, match="expected one of its layers"):
            model.remove(array)
    assert model.count(tt.relu) == 2
    assert tt.relu in model
    assert [model.index(tt.relu), model.index(tt.relu, 2), model.index(tt.relu, -1)] == [1, 3, 3]
    with pytest.raises(tt.ArgumentError, match="expected one of its layers"):
        model.index(tt.relu, 0, 1)
    with pytest.raises(tt.DtypeError, match="expected integers"):
        model.index(tt.relu, (1, 2))


def test_a_second_argument_is_no_switch():
    """`model(images, labels)` once took the labels for `fused`."""
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        tt.Sequential(tt.relu)(np.ones((2, 3)), np.ones(2))
