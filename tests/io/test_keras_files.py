"""Files of Keras, read without it: one that is right, and what may be wrong with one."""

import io
import json
import pathlib
import zipfile

import numpy as np
import pytest

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


def channels_first_of_no_shape(config):
    set_in("flatten", data_format="channels_first")(config)
    layer(config, "input_layer")["config"].pop("batch_shape")
    config["config"].pop("build_input_shape")


def set_in(name, **values):
    return lambda config: layer(config, name)["config"].update(values)


@pytest.mark.parametrize(
    ("edit", "error", "said"),
    [
        (lambda c: c.update(class_name="MyModel"), tt.UnsupportedOp, "Sequential or a functional"),
        (lambda c: c.update(module="__main__"), tt.UnsupportedOp, "of '__main__' is no layer of Keras"),
        (lambda c: c.update(module=[1]), tt.UnsupportedOp, "is no layer of Keras"),
        (lambda c: c["config"].update(layers=3), tt.ModelFormatError, "expected a list of layers"),
        (lambda c: c["config"]["layers"].append(7), tt.ModelFormatError, "expected a layer of Keras, got 7"),
        (lambda c: layer(c, "hidden").update(class_name="Conv2D"), tt.UnsupportedOp, "Conv2D 'hidden'"),
        (lambda c: layer(c, "hidden").update(registered_name="Mine>Dense"), tt.UnsupportedOp, "no layer"),
        (lambda c: layer(c, "hidden").update(module="keras.src.ops.nn"), tt.UnsupportedOp, "no layer"),
        (lambda c: layer(c, "hidden").update(config=None), tt.ModelFormatError, "a configuration"),
        (lambda c: c["config"]["layers"].append(layer(c, "hidden")), tt.ModelFormatError,
         "expected 4 groups, got 3"),
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
        (channels_first_of_no_shape, tt.UnsupportedOp, "channels_first: expected the shape"),
        (set_in("hidden", quantization_config={"mode": "int8"}), tt.UnsupportedOp,
         "the option 'quantization_config' is not known"),
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
        ({"config_json": b"[]"}, "expected a layer of Keras, got"),
        ({"metadata_json": None}, "no metadata.json in it"),
        ({"metadata_json": b"[]"}, "keras_version: expected 1, 2, 3, got None"),
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


def group_for_a_kernel(file):
    del file[KERNEL]
    file.create_group(KERNEL)


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
        (lambda file: file.__delitem__("layers/dense"), "layers/dense: expected 3 groups, got 2"),
        (lambda file: file.create_group("layers/dense/vars/2/0"), "expected 2 arrays of weights, got 3"),
        (group_for_a_kernel, "expected a dataset"),
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
