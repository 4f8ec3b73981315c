"""Where `.keras` files of different versions and systems have the weights of each layer."""

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import within
from tests.rounding import error_bound

pytest.importorskip("h5py", reason="h5py is not installed")
from tests.io import keras_files as files
from tests.io.keras_files import BIAS, DENSE, KERNEL, SECOND, X


def described(*layers, cls="Sequential", module="keras"):
    """A model as `.keras` files describe it."""
    named = [{"module": "keras.layers", "registered_name": None, **each} for each in layers]
    start = {"module": "keras.layers", **files.layer("InputLayer", "input", batch_input_shape=[None, 3])}
    return {"module": module, "class_name": cls, "config": {"name": "s", "layers": [start, *named]}}


OLD, NEW = "_layer_checkpoint_dependencies", "layers"


@pytest.mark.parametrize(
    ("version", "first", "second"),
    [
        ("2.13.1", f"{OLD}/dense", f"{OLD}/dense_2"), ("2.13.1", f"{OLD}\\dense", f"{OLD}\\dense_2"),
        ("2.14.0", f"{OLD}/dense", f"{OLD}/dense_1"), ("2.15.0", f"{NEW}/dense", f"{NEW}/dense_1"),
        ("3.0.5", f"{NEW}\\dense", f"{NEW}\\dense_1"), ("2.13.1", f"{OLD}/dense_2", f"{OLD}/dense_10"),
    ],
)  # fmt: skip
def test_where_keras_files_have_their_weights(load, version, first, second):
    config = described(files.dense("a", 4, "hard_sigmoid"), files.dense("b", 2, bias=False))
    model = load(files.keras(config, {second: [SECOND], first: [KERNEL, BIAS]}, version))
    hard = np.clip(0.2 * DENSE + 0.5, 0, 1) if version < "3" else np.clip(DENSE + 3, 0, 6) / 6
    within(model(X), hard @ SECOND, error_bound(model, X))


def test_a_model_inside_a_file_of_windows(load):
    inner = described(files.dense("b", 2, bias=False))
    inner["config"]["layers"][0]["config"]["batch_input_shape"] = [None, 4]
    groups = {
        "layers\\dense": [KERNEL, BIAS],
        "layers\\sequential": [],
        "layers\\sequential\\layers\\dense": [SECOND],
    }
    model = load(files.keras(described(files.dense("a", 4), inner), groups, "2.15.0"))
    within(model(X), DENSE @ SECOND, error_bound(model, X))


def test_functional_models_of_keras_2(load):
    config = files.functional(files.dense("a", 4), shape=[None, 3]) | {
        "module": "keras.src.engine.functional", "registered_name": "Functional"}  # fmt: skip
    for each in config["config"]["layers"]:
        each |= {"module": "keras.layers", "registered_name": None}
    model = load(files.keras(config, {f"{OLD}/dense": [KERNEL, BIAS]}, "2.14.0"))
    within(model(X), DENSE, error_bound(model, X))
    config["config"]["layers"][1]["inbound_nodes"][0][0][3] = {"training": True}
    with pytest.raises(
        tt.UnsupportedOp, match="'a': expected a layer that takes outputs of others and nothing else"
    ):
        load(files.keras(config, {f"{OLD}/dense": [KERNEL, BIAS]}, "2.14.0"))


@pytest.mark.parametrize("names", [[], ["layers/dense", "layers/dense_1"], ["layers/dense", "layers\\dense"]])
def test_groups_that_do_not_fit_the_layers(load, names):
    content = files.keras(described(files.dense("a", 4)), {name: [KERNEL, BIAS] for name in names}, "3.0.5")
    with pytest.raises(tt.ModelFormatError, match=f"layers/dense: expected 1 groups, got {len(names)}"):
        load(content)


def test_a_file_that_does_not_say_its_version(load):
    content = files.keras(described(files.dense("a", 4)), {"layers/dense": [KERNEL, BIAS]}, None)
    with pytest.raises(tt.ModelFormatError, match="keras_version: expected 1, 2, 3, got None"):
        load(content)
