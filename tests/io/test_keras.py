"""Keras: files that were written by it, with and without it here, and models as objects."""

import io
import json
import os
import pathlib
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import within
from tests.rounding import error_bound

# Keras 3.15 with its NumPy backend and NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
h5py = pytest.importorskip("h5py", reason="h5py is not installed")

DATA = pathlib.Path(__file__).parent / "data"
SMALL = DATA / "small.keras"


def test_a_file_without_keras():
    written = json.loads((DATA / "small.json").read_text())
    model = tt.load(SMALL)
    x = np.array(written["x"], np.float32)
    within(model(x), np.array(written["y"], np.float32), 2 * error_bound(model, x))
    assert list(model.children()) == [
        "rescaling", "flatten", "dropout", "hidden", "hidden_activation", "block", "leaky_re_lu", "dense_1",
        "activation", "out", "out_activation",
    ]  # fmt: skip
    assert repr(model["block.dense"]) == "Linear(in_features=5, out_features=6, bias=False)"
    assert model["hidden"].weight.shape == (5, 12)


def members(path=SMALL):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def changed(tmp_path, **changes):
    """The small file with other members; None leaves one out."""
    content = members() | {name.replace("_", "."): data for name, data in changes.items()}
    path = tmp_path / "changed.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)
    return path


def with_layers(tmp_path, edit):
    """The small file after `edit` on the list of its layers, or on the whole configuration."""
    config = json.loads(members()["config.json"])
    edit(config)
    return changed(tmp_path, config_json=json.dumps(config).encode())


def layer(config, name):
    return next(each for each in config["config"]["layers"] if each["config"]["name"] == name)


def set_in(name, **values):
    return lambda config: layer(config, name)["config"].update(values)


@pytest.mark.parametrize(
    ("edit", "error", "said"),
    [
        (lambda c: c.update(class_name="MyModel"), tt.UnsupportedOp, "Sequential or a functional"),
        (lambda c: c.update(module="__main__"), tt.UnsupportedOp, "of '__main__' is no layer of Keras"),
        (lambda c: c.update(module=[1]), tt.UnsupportedOp, "is no layer of Keras"),
        (lambda c: c["config"].update(layers=3), tt.ModelFormatError, "expected a list of layers"),
        (lambda c: c["config"]["layers"].append(7), tt.ModelFormatError, "expected a layer of Keras 3"),
        (lambda c: layer(c, "hidden").update(class_name="Conv2D"), tt.UnsupportedOp, "Conv2D 'hidden'"),
        (lambda c: layer(c, "hidden").update(registered_name="Mine>Dense"), tt.UnsupportedOp, "no layer"),
        (lambda c: layer(c, "hidden").update(module="keras.src.ops.nn"), tt.UnsupportedOp, "no layer"),
        (lambda c: layer(c, "hidden").update(config=None), tt.ModelFormatError, "a configuration"),
        (lambda c: c["config"]["layers"].append(layer(c, "hidden")), tt.ModelFormatError, "dense_3"),
        (set_in("hidden", units=7), tt.ModelFormatError, r"kernel \(in, 7\), got \(12, 5\)"),
        (set_in("hidden", units=True), tt.UnsupportedOp, "units: expected an integer"),
        (set_in("hidden", use_bias=False), tt.ModelFormatError, "expected 1 arrays of weights, got 2"),
        (set_in("hidden", activation="squareplus"), tt.UnsupportedOp, "activation 'squareplus'"),
        (set_in("hidden", activation={"module": "builtins", "class_name": "function", "config": "f"}),
         tt.UnsupportedOp, "none that tinytensor has"),
        (set_in("hidden", activation={"module": "keras.layers", "class_name": ["ReLU"], "config": {}}),
         tt.UnsupportedOp, "none that tinytensor has"),
        (set_in("hidden", dtype="int8_from_float32"), tt.UnsupportedOp, "expected a dtype of"),
        (set_in("hidden", dtype={"class_name": "QuantizedDTypePolicy"}), tt.UnsupportedOp, "a dtype of"),
        (set_in("rescaling", scale="x"), tt.ModelFormatError, "scale: expected a number"),
        (set_in("rescaling", scale=[1, None]), tt.UnsupportedOp, "one for each channel"),
        (set_in("rescaling", offset=float("inf")), tt.ModelFormatError, "offset: expected a number"),
        (set_in("dropout", rate=2), tt.ModelFormatError, "expected a probability"),
        (set_in("flatten", data_format="channels_first"), None, "perm"),
        (lambda c: layer(c, "flatten").update(config={"data_format": "channels_first"}, build_config=3),
         tt.UnsupportedOp, "channels_first: expected the shape"),
        (lambda c: c["config"]["layers"].reverse(), tt.ModelFormatError, "expected a kernel"),
    ],
)  # fmt: skip
def test_configurations_of_all_kinds(tmp_path, edit, error, said):
    path = with_layers(tmp_path, edit)
    if error is None:
        assert said in repr(tt.load(path))
    else:
        with pytest.raises(error, match=said):
            tt.load(path)


def nested(depth):
    inner = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": []}}
    for _ in range(depth):
        inner = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}
    return inner


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config_json": None}, "no model"),
        ({"model_weights_h5": None}, "no model"),
        ({"config_json": b"{"}, "no JSON"),
        ({"config_json": b"\xff"}, "no JSON"),
        ({"config_json": b"[" * 100_000}, "no JSON"),
        ({"config_json": b" " * (3 << 20)}, "config.json: expected at most"),
        ({"config_json": b"[]"}, "expected a layer of Keras 3"),
        ({"config_json": json.dumps(nested(100)).encode()}, "inside one another"),
        ({"config_json": b'{"a": 1, "a": 2}'}, "twice"),
        ({"model_weights_h5": b"not"}, "no HDF5"),
        ({"model_weights_h5": b""}, "no HDF5"),
    ],
)
def test_members_of_all_kinds(tmp_path, changes, said):
    with pytest.raises(tt.ModelFormatError, match=said):
        tt.load(changed(tmp_path, **changes))


def test_weights_in_several_files(tmp_path):
    content = members()
    path = tmp_path / "sharded.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", content["config.json"])
        archive.writestr("model.weights.json", b"{}")
    with pytest.raises(tt.ModelFormatError, match="in one file"):
        tt.load(path)


KERNEL = "layers/dense/vars/0"


def external_link(file):
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink("/etc/hostname", "/x")


def soft_link(file):
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/layers/dense_1/vars/0")


def external_data(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (12, 5), "f4", external=[("/etc/passwd", 0, 240)])


def compressed(file):
    values = file[KERNEL][:]
    del file[KERNEL]
    file.create_dataset(KERNEL, data=values, compression="gzip")


def huge(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))


def virtual(file):
    del file[KERNEL]
    layout = h5py.VirtualLayout((12, 5), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (12, 5))
    file.create_virtual_dataset(KERNEL, layout)


def replaced(values):
    def edit(file):
        del file[KERNEL]
        file[KERNEL] = values

    return edit


def never_written(file):
    del file[KERNEL]
    file.create_dataset(KERNEL, (12, 5), "f4")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (external_link, "a link to elsewhere"), (soft_link, "a link to elsewhere"),
        (external_data, "in one piece"), (compressed, "in one piece"), (huge, "in one piece"),
        (virtual, "in one piece"), (never_written, "in one piece"),
        (replaced(np.zeros((5, 12), "f4")), r"expected a kernel \(in, 5\)"),
        (replaced(np.zeros(60, "f4")), "expected a kernel"),
        (replaced(np.zeros((12, 5), "i4")), "expected floats"),
        (replaced(np.zeros((12, 5), "c8")), "expected floats"),
        (replaced("text"), "expected floats"),
        (replaced(h5py.Empty("f4")), "in one piece"),
        (lambda file: file.__delitem__("layers/dense/vars/1"), "expected 2 arrays of weights, got 1"),
        (lambda file: file.__delitem__("layers/dense"), "layers/dense/vars: not in the file"),
        (lambda file: file.create_group("layers/dense/vars/2/0"), "expected a dataset"),
    ],
)  # fmt: skip
def test_weights_of_all_kinds(tmp_path, edit, said):
    buffer = io.BytesIO(members()["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        edit(file)
    with pytest.raises(tt.ModelFormatError, match=said):
        tt.load(changed(tmp_path, model_weights_h5=buffer.getvalue()))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8"])
def test_floats_of_every_width(tmp_path, dtype):
    buffer = io.BytesIO(members()["model.weights.h5"])
    values = np.arange(60.0).reshape(12, 5)
    with h5py.File(buffer, "r+") as file:
        replaced(values.astype(dtype))(file)
    weight = tt.load(changed(tmp_path, model_weights_h5=buffer.getvalue()))["hidden"].weight
    assert np.array_equal(weight, values.T)
    assert weight.dtype == ("float64" if "8" in dtype else "float32")


def test_an_archive_that_would_grow(tmp_path):
    with pytest.raises(tt.ModelFormatError, match="would become"):
        tt.load(changed(tmp_path, model_weights_h5=bytes(200 << 20)))


os.environ.setdefault("KERAS_BACKEND", "numpy")  # the quickest to import


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", minversion="3", reason="Keras 3 is not installed")


def randomized(model, seed):
    """The model with random weights, all of them positive but for the kernels."""
    rng = np.random.default_rng(seed)
    values = [rng.uniform(0.1, 0.9, w.shape) - 0.5 * (w.ndim > 1) for w in model.get_weights()]
    model.set_weights([each.astype(w.dtype) for each, w in zip(values, model.get_weights(), strict=True)])
    return model


def agree(model, theirs, x):
    within(model(x), np.asarray(theirs(x)), 2 * error_bound(model, x))


LAYERS = [
    ("Dense", {"units": 4}), ("Dense", {"units": 3, "use_bias": False, "activation": "gelu"}),
    ("Dense", {"units": 2, "activation": "softmax"}), ("Dense", {"units": 5, "activation": "leaky_relu"}),
    ("ReLU", {}), ("ReLU", {"negative_slope": 0.3}), ("ReLU", {"max_value": 0.5}),
    ("LeakyReLU", {}), ("LeakyReLU", {"negative_slope": 0.1}), ("ELU", {}), ("ELU", {"alpha": 0.5}),
    ("PReLU", {}), ("Softmax", {}), ("Flatten", {}), ("Rescaling", {"scale": 0.5, "offset": 0.25}),
    ("Dropout", {"rate": 0.4}), ("BatchNormalization", {}), ("BatchNormalization", {"center": False}),
    ("BatchNormalization", {"scale": False, "epsilon": 0.1}), ("LayerNormalization", {"epsilon": 0.1}),
    ("LayerNormalization", {"epsilon": 0.1, "center": False}), ("GaussianNoise", {"stddev": 1.0}),
    ("Reshape", {"target_shape": (-1,)}), ("Identity", {}), ("ActivityRegularization", {}),
    *(("Activation", {"activation": name}) for name in (
        "celu", "elu", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear",
        "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign",
        "tanh")),
]  # fmt: skip


@settings(max_examples=40)
@given(chosen=st.lists(st.sampled_from(LAYERS), min_size=1, max_size=5), split=st.integers(0, 5),
       functional=st.booleans(), seed=st.integers(0, 99))  # fmt: skip
def test_random_models(keras, chosen, split, functional, seed):
    stack = [getattr(keras.layers, kind)(**arguments) for kind, arguments in chosen]
    if functional:
        y = x = keras.Input((6,))
        for each in stack[:split]:
            y = each(y)
        y = keras.Sequential([keras.layers.Input(y.shape[1:]), *stack[split:]])(y)
        theirs = keras.Model(x, y)
    else:
        inner = [keras.Sequential(stack[split:])] if stack[split:] else []
        theirs = keras.Sequential([keras.layers.Input((6,)), *stack[:split], *inner])
    randomized(theirs, seed)
    x = np.random.default_rng(seed).standard_normal((5, 6)).astype(np.float32)
    agree(tt.from_keras(theirs), theirs, x)


@pytest.mark.parametrize("order", ["channels_last", "channels_first"])
def test_flattening_images_before_a_dense_layer(keras, order):
    theirs = keras.Sequential(
        [keras.layers.Input((4, 3, 2)), keras.layers.Flatten(data_format=order), keras.layers.Dense(5)]
    )
    x = np.random.default_rng(0).standard_normal((3, 4, 3, 2)).astype(np.float32)
    model = tt.from_keras(randomized(theirs, 1))
    moved = np.moveaxis(x, 1, -1) if order == "channels_first" else x
    flat = moved.reshape(3, -1)
    dense = model[-1:]
    within(model(x), np.asarray(theirs(x)), 2 * error_bound(dense, flat))
    assert np.array_equal(model(x), dense(flat))


def test_layers_of_channels(keras):
    layers = keras.layers
    theirs = keras.Sequential(
        [
            layers.Input((4, 3)), layers.Rescaling([0.5, 1, 2], [0, -1, 1]), layers.Dense(2),
            layers.PReLU(shared_axes=[1]), layers.BatchNormalization(axis=1), layers.Softmax(axis=1),
            layers.LayerNormalization(axis=[1, 2], epsilon=0.1), layers.Reshape((2, -1)),
            layers.SpatialDropout1D(0.2),
        ]
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((3, 4, 3)).astype(np.float32)
    agree(tt.from_keras(randomized(theirs, 1)), theirs, x)


def test_activations_that_are_layers(keras):
    layers = keras.layers
    theirs = keras.Sequential(
        [
            layers.Input((6,)), layers.Dense(4, activation=layers.LeakyReLU(negative_slope=0.4)),
            layers.Activation(layers.ELU(0.5)),
            layers.Dense(4, activation=layers.ReLU(max_value=2.0)),
        ]
    )  # fmt: skip
    x = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    agree(tt.from_keras(randomized(theirs, 1)), theirs, x)


def test_an_exponential_and_a_threshold(keras):
    x = np.linspace(-3, 3, 13, dtype=np.float32).reshape(1, -1)
    for arguments, wanted in (({}, np.exp(x)), ({"threshold": 1.5}, np.where(x > 1.5, x, 0))):
        each = keras.layers.ReLU(**arguments) if arguments else keras.layers.Activation("exponential")
        model = tt.from_keras(keras.Sequential([keras.layers.Input((13,)), each]))
        within(model(x), wanted, 4 * np.finfo(np.float32).eps * np.abs(wanted))
        within(model(x), np.asarray(each(x)), 4 * np.finfo(np.float32).eps * np.abs(wanted))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float16"])
def test_other_dtypes(keras, policy):
    layers = keras.layers
    theirs = keras.Sequential([layers.Input((3,)), layers.Dense(2, dtype=policy, activation="tanh")])
    model = tt.from_keras(theirs)
    kernel = np.asarray(theirs.get_weights()[0]).astype(np.float64)
    assert np.array_equal(model[0].weight.numpy(), kernel.T)
    assert model[0].weight.dtype == "float32"


def test_what_is_no_chain(keras):
    layers = keras.layers
    x = keras.Input((3,))
    shared = layers.Dense(3)
    for y, said in (
        (layers.Add()([x, layers.Dense(3)(x)]), "expected a chain"),
        (shared(shared(x)), "expected a chain"),
        ([layers.Dense(3)(x), layers.Dense(2)(x)], "expected a chain"),
        (x + 1.0, "no layer of Keras"),
    ):
        with pytest.raises(tt.UnsupportedOp, match=said):
            tt.from_keras(keras.Model(x, y))


def test_layers_and_things_that_tinytensor_does_not_have(keras):
    layers = keras.layers

    class Mine(layers.Layer):
        def call(self, x):
            return -x

    for each, said in (
        (layers.Conv1D(1, 1), "Conv1D 'conv1d.*': tinytensor has no such layer"),
        (layers.ReLU(negative_slope=0.1, max_value=6.0), "one at a time"),
        (layers.Softmax(axis=[1, 2]), "axis: expected an integer"),
        (Mine(), "is no layer of Keras"),
        (layers.LayerNormalization(axis=1), "only over the last axes"),
        (layers.Dense(2, activation=keras.ops.sort), "activation .* is none that tinytensor has"),
    ):
        with pytest.raises(tt.UnsupportedOp, match=said):
            tt.from_keras(keras.Sequential([layers.Input((3, 2)), each]))
    prelu = keras.Sequential([layers.Input((3,)), layers.Dense(2, activation=layers.PReLU())])
    with pytest.raises(tt.ModelFormatError, match="expected 1 arrays of weights, got 0"):
        tt.from_keras(prelu)  # Keras itself does not save them
    for thing in (layers.Dense(3), {"class_name": "Sequential"}):
        with pytest.raises(tt.DtypeError, match="expected a path or a Keras model"):
            tt.from_keras(thing)


def test_a_model_that_was_trained_with_an_optimizer(keras, tmp_path):
    theirs = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    theirs.compile("adam", "mse")
    theirs.save(tmp_path / "m.keras")
    x = np.random.default_rng(0).standard_normal((3, 3)).astype(np.float32)
    agree(tt.from_keras(tmp_path / "m.keras"), theirs, x)


def test_a_lambda_is_refused_and_not_run(keras, tmp_path):
    theirs = keras.Sequential(
        [keras.layers.Input((3,)), keras.layers.Lambda(lambda x: pytest.fail("ran"), output_shape=(3,))]
    )
    theirs.save(tmp_path / "m.keras")
    with pytest.raises(tt.UnsupportedOp, match="Lambda"):
        tt.load(tmp_path / "m.keras")
