"""Whole models in `.h5` files: those of MLPerf Tiny, and files written here as Keras 1 to 3 wrote them."""

import io
import json
import pathlib

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import gamma, within
from tests.rounding import error_bound
from tests.sensitivity import error_bound as error_bound_of_images

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
from tests.io import keras_files as files  # noqa: E402
from tests.io.keras_files import BIAS, DENSE, KERAS_2, KERNEL, SECOND, X  # noqa: E402

MLPERF = pathlib.Path(__file__).parents[3] / "shared" / "data" / "mlperf_tiny"


def mlperf(name):
    if not (MLPERF / name).is_file():
        pytest.skip("the files of MLPerf Tiny are not beside the repository")
    return MLPERF / name


def affine_layers(path):
    """Of `ad01.h5`, read without tinytensor: kernel, bias, scale, shift and ReLU or not, for each Dense."""
    with h5py.File(path) as file:
        layers = json.loads(file.attrs["model_config"])["config"]["layers"]
        group = file["model_weights"]
        weights = {
            each["config"]["name"]: [
                group[each["config"]["name"]][name][()].astype(float)
                for name in group[each["config"]["name"]].attrs["weight_names"]
            ]
            for each in layers
        }
    found = []
    for each in layers:
        config = each["config"]
        if each["class_name"] == "Dense":
            found.append(
                [*weights[config["name"]], np.ones(config["units"]), np.zeros(config["units"]), False]
            )
        if each["class_name"] == "BatchNormalization":
            gain, beta, mean, variance = weights[config["name"]]
            scale = gain / np.sqrt(variance + config["epsilon"])
            found[-1][2:4] = scale, beta - mean * scale
        if each["class_name"] == "Activation":
            assert config["activation"] == "relu"
            found[-1][4] = True
    return found


def test_the_network_of_mlperf_that_is_dense():
    """Two float32 programs: what rounding leaves in each layer reaches the output through its derivatives.

    To first order the bound is Σ |J| (γ (|W| |x| + |b|) · |scale| + 8 u (…)), with J the derivative of the
    output by the layer's; the factor 2 in front is for two programs, the one on γ for the second order and
    for ReLUs that switch.
    """
    model = tt.load(mlperf("ad01.h5"))
    reference = np.load(mlperf("ad01_reference.npz"))
    x, theirs = reference["x"], reference["y"]
    u = gamma(1, np.float32)
    value, local, linear = x.astype(float), [], []
    for kernel, bias, scale, shift, positive in affine_layers(mlperf("ad01.h5")):
        sums = value @ kernel + bias
        rounding = gamma(kernel.shape[0] + 2, np.float32) * (np.abs(value) @ np.abs(kernel) + np.abs(bias))
        output = sums * scale + shift
        rounding = rounding * np.abs(scale) + 8 * u * (np.abs(sums * scale) + np.abs(shift) + np.abs(output))
        mask = output > 0 if positive else np.ones_like(output, bool)
        local.append(rounding * mask)
        linear.append((kernel * scale, mask))
        value = output * mask
    bound = np.zeros_like(value)
    for row in range(len(x)):
        jacobian = np.eye(value.shape[1])
        for rounding, (matrix, mask) in zip(local[::-1], linear[::-1], strict=True):
            bound[row] += np.abs(jacobian) @ rounding[row]
            jacobian = (jacobian * mask[row]) @ matrix.T
    within(model.predict(x), value, 2 * bound)
    within(model.predict(x), theirs, 4 * bound)
    assert bound.max() < 1e-2 * np.abs(value).max()


@pytest.mark.parametrize(
    ("name", "size"),
    [("pretrainedResnet.h5", 0.04), ("str_ww_ref_model.h5", 1e-4), ("vww_96.h5", 1e-4),
     ("kws_ref_model.keras", 4e-3)],
)  # fmt: skip
def test_the_convolutional_networks_of_mlperf(name, size):
    """Within the bound of `tests.sensitivity`, which is at most `size` for a probability.

    It is narrow enough to see weights of the first layer that are 1% too large.
    """
    model, reference = tt.load(mlperf(name)), np.load(mlperf(f"{name.partition('.')[0]}_reference.npz"))
    x, theirs = reference["x"], reference["y"]
    exact, bound = error_bound_of_images(model, x)
    within(model(x), exact, 2 * bound)
    within(theirs, exact, 2 * bound)
    within(model(x), theirs, 4 * bound)
    assert bound.max() < size
    state = model.state_dict()
    key = next(key for key, each in state.items() if each.ndim == 4)
    model.load_state_dict(state | {key: state[key] * np.float32(1.01)})
    with pytest.raises(AssertionError, match="elements"):
        within(model(x), exact, 2 * bound)


def keras_1():
    """As Keras 1.2.2 with Theano wrote it."""
    first = {"name": "dense_1", "output_dim": 4, "init": "glorot_uniform", "activation": "hard_sigmoid",
             "W_regularizer": None, "b_constraint": None, "bias": True, "input_dim": 3, "trainable": True,
             "batch_input_shape": [None, 3], "input_dtype": "float32"}  # fmt: skip
    norm = {"name": "norm", "mode": 0, "axis": -1, "epsilon": 0.01, "momentum": 0.99, "beta_init": "zero"}
    config = {
        "class_name": "Sequential",
        "config": [
            {"class_name": "Dense", "config": first},
            {"class_name": "Dropout", "config": {"name": "drop", "p": 0.5}},
            {"class_name": "BatchNormalization", "config": norm},
        ],
    }
    arrays = [np.float32([1, 2, 3, 4]), np.float32([0, 1, 0, 1]), np.float32([0.5] * 4), np.float32([4] * 4)]
    names = ["norm_gamma", "norm_beta", "norm_running_mean", "norm_running_std"]
    weights = {"dense_1": [("dense_1_W", KERNEL), ("dense_1_b", BIAS)], "drop": [],
               "norm": list(zip(names, arrays, strict=True))}  # fmt: skip
    return config, weights, arrays


@pytest.mark.parametrize("version", ["1.2.2", None])
def test_a_file_of_keras_1(load, version):
    config, weights, (gain, beta, mean, variance) = keras_1()
    model = load(files.h5(config, weights, version))
    y = np.clip(0.2 * DENSE + 0.5, 0, 1)
    within(model(X), (y - mean) * gain / np.sqrt(variance + 0.01) + beta, error_bound(model, X))
    assert list(model.children()) == ["dense_1", "dense_1_activation", "drop", "norm"]


@pytest.mark.parametrize(("option", "value"), [("mode", 2), ("mode", 1)])
def test_batch_normalization_of_keras_1_by_the_batch_itself(load, option, value):
    config, weights, _ = keras_1()
    config["config"][2]["config"][option] = value
    with pytest.raises(tt.UnsupportedOp, match="BatchNormalization 'norm': the option 'mode' is not known"):
        load(files.h5(config, weights, "1.2.2"))


def nested(version, inner_name):
    """A Dense, and a model with another."""
    inner = files.sequential(files.dense("second", 2, bias=False), shape=[None, 4], version=version)
    inner["config"] = (
        inner["config"] if isinstance(inner["config"], list) else {**inner["config"], "name": inner_name}
    )
    return files.sequential(files.dense("dense", 4), inner, shape=[None, 3], version=version)


@pytest.mark.parametrize(
    ("version", "weight"),
    [
        ("1.2.2", "second_W"),
        ("2.1.6", "second/kernel:0"),
        ("2.4.0", "second/kernel:0"),
        ("3.0.5", "in/second/kernel"),
    ],
)
def test_models_inside_models(load, version, weight):
    content = files.h5(nested(version, "in"), KERAS_2 | {"in": [(weight, SECOND)]}, version)
    model = load(content)
    within(model(X), DENSE @ SECOND, error_bound(model, X))
    wrong = files.h5(nested(version, "in"), KERAS_2 | {"in": [("third/kernel:0", SECOND)]}, version)
    with pytest.raises(tt.ModelFormatError, match="Dense 'second': expected 1 arrays of weights, got 0"):
        load(wrong)


def test_names_of_layers_in_several_attributes(load):
    buffer = io.BytesIO(files.h5(files.sequential(files.dense("dense", 4), shape=[None, 3]), KERAS_2))
    with h5py.File(buffer, "r+") as file:
        attributes = file["model_weights"].attrs
        names = list(attributes["layer_names"])
        del attributes["layer_names"]
        attributes["layer_names0"], attributes["layer_names1"] = np.array([b"other"]), np.array(names)
    within(load(buffer.getvalue())(X), DENSE, 1e-5)


def edited(edit, strings="fixed"):
    buffer = io.BytesIO(
        files.h5(files.sequential(files.dense("dense", 4), shape=[None, 3]), KERAS_2, strings=strings)
    )
    with h5py.File(buffer, "r+") as file:
        edit(file, file["model_weights"])
    return buffer.getvalue()


def set_attribute(name, value, group="/"):
    return lambda file, weights: file[group].attrs.__setitem__(name, value)


def twice(file, weights):
    del weights["dense/dense/bias:0"]
    weights["dense/dense/bias:0"] = weights["dense/dense/kernel:0"]


GROUP = "/model_weights/dense"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda file, weights: file.attrs.__delitem__("model_config"), "weights alone are not enough"),
        (set_attribute("model_config", 3), "model_config: expected text"),
        (set_attribute("model_config", np.array([b"{}", b"{}"])), "model_config: expected one text"),
        (set_attribute("model_config", b"{"), "no JSON"),
        (set_attribute("keras_version", 2.4), "keras_version: expected text"),
        (lambda file, weights: file.__delitem__("model_weights"), "model_weights: not in the file"),
        (lambda file, weights: weights.__delitem__("dense"), "model_weights/dense: not in the file"),
        (lambda file, weights: weights.attrs.__delitem__("layer_names"), "layer_names0: not in the file"),
        (lambda file, weights: weights["dense"].attrs.__delitem__("weight_names"), "weight_names0: not in"),
        (set_attribute("weight_names", 3, GROUP), "weight_names: expected text"),
        (set_attribute("weight_names", b"x", GROUP), "weight_names: expected a list of names"),
        (set_attribute("weight_names", np.array([[b"x"]]), GROUP), "weight_names: expected a list of names"),
        (set_attribute("weight_names", np.array([b"dense/kernel:0"]), GROUP), "expected 2 arrays"),
        (set_attribute("weight_names", np.array([b"dense/kernel:0", b"nowhere"]), GROUP), "nowhere: not in"),
        (set_attribute("weight_names", np.array([b"dense", b"dense"]), GROUP), "expected a dataset"),
        (twice, "expected a bias|bias"),
    ],
)  # fmt: skip
def test_files_of_all_kinds(load, edit, said):
    with pytest.raises(tt.ModelFormatError, match=said):
        load(edited(edit))


def test_arrays_that_are_one(load):
    """Each layer copies its kernel: a thousand layers with one array would take a thousand times the file."""
    layers = [files.dense(f"d{i}", 64, bias=False) for i in range(50)]
    kernel = np.ones((64, 64), np.float32)
    weights = {f"d{i}": [("k:0", kernel[:1, :1])] for i in range(50)}
    buffer = io.BytesIO(files.h5(files.sequential(*layers, shape=[None, 64]), weights))
    with h5py.File(buffer, "r+") as file:
        for i in range(50):
            del file[f"model_weights/d{i}/k:0"]
            file[f"model_weights/d{i}/k:0"] = file["model_weights/d0/k:0"] if i else kernel
    with pytest.raises(tt.ModelFormatError, match="the arrays together have more bytes than the file"):
        load(buffer.getvalue())


def test_text_of_which_hdf5_makes_much(load):
    """Strings of any length are read whole for each name: 4,000 names may point to one text."""

    def edit(file, weights):
        weights.attrs.create("layer_names", ["dense"] * 4000, dtype=h5py.string_dtype())

    with pytest.raises(tt.ModelFormatError, match="layer_names: expected fewer names, got 4000"):
        load(edited(edit, "variable"))


def test_damage_that_hdf5_does_not_survive(load):
    """HDF5 2.0 goes round for ever in a block of strings that is damaged, and crashes on damaged types."""
    content = edited(lambda file, weights: None, "variable")
    block = content.index(b"GCOL")
    for at, value in ((24, (1 << 64) - 16), (24, 1 << 40), (24, 0), (8, 1 << 50), (8, 0x1200)):
        changed = bytearray(content)
        changed[block + at : block + at + 8] = value.to_bytes(8, "little")
        with pytest.raises(tt.ModelFormatError, match="a block of strings is damaged"):
            load(bytes(changed))
    endless = bytearray(content)
    endless[block + 16 : block + 32] = bytes(16)  # free space of no size
    with pytest.raises(tt.ModelFormatError, match="a block of strings is damaged"):
        load(bytes(endless))
    kind = content.index(b"keras_version\0") + 16  # a string of variable length: class 9, kind 1
    assert content[kind : kind + 2] == b"\x19\x01"
    for value in (0, 2, 3):
        changed = bytearray(content)
        changed[kind + 1] = value
        with pytest.raises(tt.ModelFormatError):
            load(bytes(changed))
    with pytest.raises(tt.ModelFormatError, match="offsets and lengths of 8 bytes"):
        load(content[:13] + b"\x04" + content[14:])
