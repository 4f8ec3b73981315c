"""What the words of a configuration mean, by the version of Keras that wrote it, and options of layers."""

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import gamma, within
from tests.rounding import error_bound

pytest.importorskip("h5py", reason="h5py is not installed")
from tests.io import keras_files as files
from tests.io.keras_files import BIAS, DENSE, KERAS_2, RNG, X


@pytest.mark.parametrize("strings", ["fixed", "variable"])
@pytest.mark.parametrize("version", ["2.1.6", "2.4.0", "2.15.0"])
@pytest.mark.parametrize("form", [files.sequential, files.functional])
def test_the_words_of_keras_2(load, strings, version, form):
    layers = [
        files.dense("dense", 4), files.layer("LeakyReLU", "leaky", alpha=0.125),
        files.layer("ThresholdedReLU", "above", theta=0.25),
        files.layer("ReLU", "low", max_value=2.0, negative_slope=0.0, threshold=0.0),
        files.layer("Activation", "hard", activation="hard_sigmoid"),
        files.layer("Activation", "soft", activation="softmax_v2"),
    ]  # fmt: skip
    given = {"version": version} if form is files.sequential else {}
    model = load(files.h5(form(*layers, shape=[None, 3], **given), KERAS_2, version, strings))
    y = np.where(DENSE < 0, 0.125 * DENSE, DENSE)
    y = np.clip(0.2 * np.minimum(np.where(y > 0.25, y, 0), 2) + 0.5, 0, 1)
    e = np.exp(y - y.max(1, keepdims=True))
    within(model(X), e / e.sum(1, keepdims=True), error_bound(model, X))


@pytest.mark.parametrize(
    ("name", "version", "wanted"),
    [
        ("hard_sigmoid", "2.15.0", lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
        ("hard_sigmoid", "3.0.5", lambda x: np.clip(x + 3, 0, 6) / 6),
        ("leaky_relu", "2.15.0", lambda x: np.where(x < 0, 0.2 * x, x)),
        ("leaky_relu", "3.0.5", lambda x: np.where(x < 0, 0.2 * x, x)),
        ("relu6", "2.15.0", lambda x: np.clip(x, 0, 6)),
        ("relu6", "3.0.5", lambda x: np.clip(x, 0, 6)),
    ],
)
def test_activations_by_the_version(load, name, version, wanted):
    model = load(files.h5(files.sequential(files.dense("dense", 4, name), shape=[None, 3]), KERAS_2, version))
    within(model(X), wanted(DENSE), error_bound(model, X))


def test_words_of_another_version(load):
    for version, word in (("3.0.5", "alpha"), ("2.4.0", "unheard_of")):
        leaky = files.layer("LeakyReLU", "leaky", **{word: 0.1})
        with pytest.raises(tt.UnsupportedOp, match=f"LeakyReLU 'leaky': the option '{word}' is not known"):
            load(files.h5(files.sequential(leaky, shape=[None, 3]), {"leaky": []}, version))
    both = files.layer("LeakyReLU", "leaky", alpha=0.1, negative_slope=0.2)
    with pytest.raises(tt.UnsupportedOp, match="'alpha' is not known"):
        load(files.h5(files.sequential(both, shape=[None, 3]), {"leaky": []}))
    with pytest.raises(tt.ModelFormatError, match="negative_slope: expected a number"):
        load(files.h5(files.sequential(files.layer("LeakyReLU", "l"), shape=[None, 3]), {"l": []}))
    with pytest.raises(tt.ModelFormatError, match=r"keras_version: expected 1, 2, 3, got '4\.0'"):
        load(files.h5(files.sequential(files.dense("dense", 4), shape=[None, 3]), KERAS_2, "4.0"))


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("Dense", {"units": 4, "activation": "linear", "use_bias": True, "lora_rank": 2}),
        ("Dense", {"units": 4, "activation": "linear", "use_bias": True, "quantization_config": {"a": 1}}),
        ("BatchNormalization", {"axis": -1, "epsilon": 0.1, "renorm": True}),
        ("BatchNormalization", {"axis": -1, "epsilon": 0.1, "virtual_batch_size": 2}),
        ("LayerNormalization", {"axis": -1, "epsilon": 0.1, "rms_scaling": True}),
        ("Flatten", {"order": "F"}), ("Softmax", {"axis": -1, "temperature": 2.0}),
        ("PReLU", {"shared": [1]}), ("ELU", {"alpha": 1.0, "beta": 2.0}), ("ReLU", {"leak": 0.1}),
        ("Dropout", {"rate": 0.5, "training": True}), ("Activation", {"activation": "relu", "slope": 1}),
        ("Reshape", {"target_shape": [3], "order": "F"}), ("Rescaling", {"scale": 2.0, "clip": True}),
        ("Normalization", {"axis": -1, "robust": True}), ("UnitNormalization", {"axis": -1, "order": 1}),
    ],
)  # fmt: skip
def test_options_that_nobody_knows(load, kind, config):
    option = next(key for key in config if key not in ("units", "activation", "use_bias", "axis", "epsilon",
                                                       "alpha", "rate", "target_shape", "scale"))  # fmt: skip
    with pytest.raises(tt.UnsupportedOp, match=f"{kind} 'dense': the option '{option}' is not known"):
        load(files.h5(files.sequential(files.layer(kind, "dense", **config), shape=[None, 3]), KERAS_2))


def norm_config(**config):
    return files.sequential(files.layer("Normalization", "n", **config), shape=[None, 2, 3])


IMAGES = RNG.standard_normal((5, 2, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"axis": [-1]}, (3,)), ({"axis": [2]}, (3,)), ({"axis": 1}, (2, 1)), ({"axis": -2}, (2, 1)),
        ({"axis": [1, 2]}, (2, 3)), ({"axis": [-1, 1]}, (2, 3)), ({"axis": None}, ()), ({"axis": []}, ()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_normalization(load, config, shape, invert, given):
    rng = np.random.default_rng(1)
    mean, variance = rng.standard_normal(shape), rng.uniform(0.5, 2, shape)
    if variance.size > 1:
        variance.flat[0] = 0  # of a feature that was always the same
    kept = [n for n in shape if n > 1 or len(shape) < 2]
    mean, variance = mean.astype(np.float32), variance.astype(np.float32)
    if given:
        weights = {"n": []}
        stored = {"mean": mean.reshape(kept).tolist(), "variance": variance.reshape(kept).tolist()}
    else:
        arrays = [mean.reshape(kept), variance.reshape(kept), np.int64(7)]
        weights = {"n": list(zip(["n/mean:0", "n/variance:0", "n/count:0"], arrays, strict=True))}
        stored = {"mean": None, "variance": None}
    model = load(files.h5(norm_config(**config, **stored, invert=invert), weights))
    deviation = np.maximum(np.sqrt(variance.astype(float)), 1e-7)
    wanted = IMAGES * deviation + mean if invert else (IMAGES.astype(float) - mean) / deviation
    within(model(IMAGES), wanted, error_bound(model, IMAGES))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"axis": -1, "mean": "x", "variance": 1.0}, "expected numbers as mean and variance"),
        ({"axis": -1, "mean": [[1.0, 2.0]], "variance": [[1.0, 2.0]]}, "expected axes of the input"),
        ({"axis": [-1, -1], "mean": [1.0, 2.0], "variance": [1.0, 2.0]}, "expected axes of the input"),
        ({"axis": 5, "mean": [1.0, 2.0], "variance": [1.0, 2.0]}, "expected axes of the input"),
        ({"axis": "x", "mean": [1.0, 2.0], "variance": [1.0, 2.0]}, "expected integers"),
        ({"axis": -1, "mean": [1.0, [2.0]], "variance": [1.0, 2.0]}, "expected numbers"),
    ],
)
def test_normalizations_that_are_none(load, config, said):
    with pytest.raises(tt.UnsupportedOp, match=said):
        load(files.h5(norm_config(**config), {"n": []}))


@pytest.mark.parametrize(("version", "smallest"), [("2.15.0", 1e-12), ("3.0.5", 1e-24)])
@pytest.mark.parametrize("axis", [-1, 1, [1, 2]])
def test_unit_normalization(load, version, smallest, axis):
    config = files.sequential(files.layer("UnitNormalization", "unit", axis=axis), shape=[None, 2, 3])
    model = load(files.h5(config, {"unit": []}, version))
    axes = tuple(axis) if isinstance(axis, list) else axis
    for size in (1, 1e-8, 0):
        x = (IMAGES * size).astype(np.float32)
        squares = (x.astype(float) ** 2).sum(axes, keepdims=True)
        wanted = x / np.sqrt(np.maximum(squares, smallest))
        # squares, their sum, the root and the division, and squares that are subnormal
        within(model(x), wanted, gamma(10, np.float32) * np.abs(wanted) + 1e-3 * (size == 1e-8) * 2.0**-126)
    pixels = np.array([[[3, 4, 0], [0, 0, 5]]], np.uint8)
    assert model(pixels).dtype == "float32"


def test_layer_normalization_without_scale(load):
    config = files.layer("LayerNormalization", "n", axis=[1], epsilon=0.1, center=True, scale=False)
    model = load(files.h5(files.sequential(config, shape=[None, 3]), {"n": [("n/beta:0", BIAS[:3])]}))
    x = X.astype(float)
    wanted = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 0.1) + BIAS[:3]
    within(model(X), wanted, error_bound(model, X))


def test_images_with_channels_first(load):
    images = files.layer("Reshape", "r", target_shape=[2, 3, 2])
    flat = files.layer("Flatten", "f", data_format="channels_first")
    model = load(files.h5(files.sequential(images, flat, shape=[None, 12]), {"r": [], "f": []}))
    x = np.arange(24, dtype=np.float32).reshape(2, 12)
    assert np.array_equal(model(x), np.moveaxis(x.reshape(2, 2, 3, 2), 1, -1).reshape(2, 12))


@pytest.mark.parametrize(
    ("kind", "shape", "result"),
    [
        ("Cropping1D", [5, 2], (3, 2)),
        ("Cropping2D", [5, 4, 2], (5, 4, 2)),
        ("UpSampling1D", [5, 2], (10, 2)),
        ("UpSampling2D", [5, 4, 2], (10, 8, 2)),
        ("ZeroPadding1D", [5, 2], (7, 2)),
        ("ZeroPadding2D", [5, 4, 2], (7, 6, 2)),
        ("MaxPooling1D", [5, 2], (2, 2)),
        ("MaxPooling2D", [5, 4, 2], (2, 2, 2)),
    ],
)
def test_options_that_a_file_leaves_out_are_keras_defaults(load, kind, shape, result):
    config = files.sequential(files.layer(kind, "layer"), shape=[None, *shape])
    model = load(files.h5(config, {"layer": []}))
    assert model(np.ones((3, *shape), np.float32)).shape == (3, *result)
