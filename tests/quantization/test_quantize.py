"""`tt.quantize`: what becomes of networks, what is refused, and what the report says."""

import json
import math
import pathlib

import numpy as np
import pytest

import tinytensor as tt
from tests.quantization.networks import Gated, Residual, batch_norm, dense, images, normal
from tinytensor.primitives.quantized import MOST_TERMS
from tinytensor.quantization.ranges import Observed, range_of, scale_of

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data"


def kinds(model):
    return [type(each).__name__ for each in model.children().values()]


def samples(*shape, seed=0):
    return normal(np.random.default_rng(seed), *shape)


# Forms of networks


def test_a_chain_becomes_a_chain():
    model = tt.Sequential(
        ("one", tt.Linear(8, 6, seed=0)), tt.relu, ("two", tt.Linear(6, 3, seed=1)), tt.softmax
    )
    found = tt.quantize(model, samples(50, 8))
    assert kinds(found) == ["Quantize", "QuantizedLinear", "QuantizedLinear", "Softmax"]
    assert list(found.children()) == ["0", "one", "two", "3"]
    assert found["one"].output_zero_point == 0  # ReLU
    assert found["two"].output_scale is None  # softmax is computed in float32
    assert found["two"].weight.dtype == np.int8


def test_an_activation_is_a_table():
    model = tt.Sequential(tt.Linear(8, 6, seed=0), tt.gelu, tt.Linear(6, 3, seed=1))
    found = tt.quantize(model, samples(50, 8))
    assert kinds(found) == ["Quantize", "QuantizedLinear", "Lookup", "QuantizedLinear"]
    assert found[2].function == "gelu_erf"


def test_relu6_is_a_bound_of_bytes():
    model = tt.Sequential(tt.Linear(8, 6, seed=0), tt.Clip(0, 0.5), tt.Linear(6, 3, seed=1))
    x = 5 * samples(50, 8)
    found = tt.quantize(model, x)
    assert kinds(found) == ["Quantize", "QuantizedLinear", "QuantizedLinear"]
    assert found[1].output_scale == pytest.approx(0.5 / 255)
    assert (found[1].low, found[1].high) == (0, 255)


def test_batch_norm_is_folded():
    rng = np.random.default_rng(1)
    layers = [
        tt.Conv2d(3, 4, 3, seed=0),
        batch_norm(rng, 4),
        tt.relu,
        tt.Flatten(),
        tt.Linear(100, 5, seed=1),
    ]
    found = tt.quantize(tt.Sequential(*layers), samples(20, 3, 7, 7))
    assert kinds(found) == ["Quantize", "QuantizedConv2d", "Flatten", "QuantizedLinear"]
    conv = found[1]
    scale = layers[1].scale()[:, None, None, None]
    folded = layers[0].weight.numpy() * scale
    step = conv.weight_scale.numpy()[:, None, None, None]
    assert np.abs(conv.weight.numpy() * step - folded).max() <= step.max() / 2 * (1 + 1e-6)
    np.testing.assert_allclose(conv.weight_scale.numpy(), np.abs(folded).max(axis=(1, 2, 3)) / 127, rtol=1e-6)


def test_a_residual_connection_of_a_users_layer_is_added_on_bytes():
    model = tt.Sequential(tt.Linear(8, 6, seed=0), Residual(tt.Linear(6, 6, seed=1)), tt.Linear(6, 3, seed=2))
    x = samples(50, 8)
    found, report = tt.quantize(model, x, report=True)
    assert type(found) is tt.Graph
    assert [type(each).__name__ for each in found.layers] == [
        "Quantize", "QuantizedLinear", "QuantizedLinear", "QuantizedAdd", "QuantizedLinear"
    ]  # fmt: skip
    assert found.layers[3].low == found.layers[3].output_zero_point == 0  # the ReLU that follows
    assert report.snr > 30


def test_a_graph_keeps_the_names_outside():
    model = tt.Graph(
        ["image"], ["left", "right"],
        [tt.Linear(4, 3, seed=0), tt.relu, tt.Linear(3, 2, seed=1), tt.Linear(3, 5, seed=2)],
        [(["image"], ["a"]), (["a"], ["b"]), (["b"], ["left"]), (["b"], ["right"])],
    )  # fmt: skip
    x = samples(30, 4)
    found, report = tt.quantize(model, x, report=True)
    assert (found.input_names, found.output_names) == (("image",), ("left", "right"))
    for ours, theirs in zip(found.predict(x), model.predict(x), strict=True):
        assert ours.shape == theirs.shape
    assert report.snr > 30


def test_values_that_are_joined_share_a_scale():
    wires = [(["x"], ["a"]), (["x"], ["b"]), (["a", "b"], ["c"]), (["c"], ["y"])]
    layers = [
        tt.Linear(4, 3, seed=0), tt.Linear(4, 2, seed=1), tt.Operator("Concat", {"axis": 1}), tt.Linear(5, 2)
    ]  # fmt: skip
    found = tt.quantize(tt.Graph(["x"], ["y"], layers, wires), samples(30, 4))
    first, second, concat, last = found.layers[1:]
    assert type(concat) is tt.Operator
    assert first.output_scale == second.output_scale == last.input_scale
    assert first.output_zero_point == second.output_zero_point == last.input_zero_point


def test_pixels_stay_the_bytes_that_they_are():
    model = tt.Sequential(tt.Flatten(), tt.Rescale(1 / 255), tt.Linear(16, 3, seed=0))
    x = np.random.default_rng(0).integers(0, 256, (40, 4, 4)).astype(np.uint8)
    found = tt.quantize(model, x)
    assert kinds(found) == ["Quantize", "Flatten", "QuantizedLinear"]
    assert (found[0].scale, found[0].zero_point) == (1.0, 0)
    assert found[2].input_scale == pytest.approx(1 / 255)
    assert np.array_equal(found.predict(x), found.predict(x.astype(np.float32)))


def test_an_offset_that_is_no_whole_pixel_is_a_table():
    model = tt.Sequential(tt.Rescale(2 / 255, -1.0), tt.Linear(16, 3, seed=0))
    x = np.random.default_rng(0).integers(0, 256, (40, 16)).astype(np.uint8)
    found, report = tt.quantize(model, x, report=True)
    assert kinds(found) == ["Quantize", "Lookup", "QuantizedLinear"]
    assert report.snr > 30


def test_a_layer_without_a_form_on_bytes_stays():
    model = tt.Sequential(tt.Linear(8, 6, seed=0), Gated(), tt.LayerNorm(6), tt.Linear(6, 3, seed=1))
    x = samples(50, 8)
    found, report = tt.quantize(model, x, report=True)
    assert kinds(found) == [
        "Quantize", "QuantizedLinear", "Gated", "LayerNorm", "Quantize", "QuantizedLinear"
    ]  # fmt: skip
    assert report.snr > 30


def test_layers_are_kept_by_name():
    model = tt.Sequential(tt.Linear(8, 6, seed=0), tt.relu, ("last", tt.Linear(6, 3, seed=1)))
    x = samples(50, 8)
    assert kinds(tt.quantize(model, x, keep="last")) == ["Quantize", "QuantizedLinear", "ReLU", "Linear"]
    assert kinds(tt.quantize(model, x, keep=["0"])) == ["Linear", "ReLU", "Quantize", "QuantizedLinear"]
    whole = tt.quantize(model, x, keep=["0", "last"])
    assert kinds(whole) == ["Linear", "ReLU", "Linear"]
    assert np.array_equal(whole.predict(x), model.predict(x))
    nested = tt.Sequential(("block", model), tt.softmax)
    assert kinds(tt.quantize(nested, x, keep="block")) == ["Linear", "ReLU", "Linear", "Softmax"]


def test_a_bound_keeps_the_layers_that_lose_most():
    rng = np.random.default_rng(5)
    wide = normal(rng, 6, 8)
    wide[:, 0] *= 1000  # one weight of a thousand times the others takes their bits away
    model = tt.Sequential(tt.Linear.of(wide), tt.relu, tt.Linear(6, 3, seed=1))
    x = samples(200, 8)
    x[:, 0] = 0
    plain = tt.quantize(model, x, report=True)[1]
    found, report = tt.quantize(model, x, bound=("snr", plain.snr + 10), report=True)
    assert report.kept == ("0",)
    assert report.snr >= plain.snr + 10
    assert kinds(found)[0] == "Linear"
    assert tt.quantize(model, x, bound=("agreement", 0.1), report=True)[1].kept == ()
    assert tt.quantize(model, x, bound=("snr", 300.0), report=True)[1].kept == ("0", "2")


def test_samples_may_come_in_batches():
    model = tt.Sequential(tt.Linear(8, 6, seed=0), tt.tanh, tt.Linear(6, 3, seed=1))
    x = samples(350, 8)
    whole = tt.quantize(model, x)
    assert repr(tt.quantize(model, iter([x[:7], x[7:300], x[300:]]))) == repr(whole)
    assert repr(tt.quantize(model, x.tolist())) == repr(whole)
    assert repr(tt.quantize(model, tt.Tensor(x))) == repr(whole)


def test_conv1d_and_pools():
    model = tt.Sequential(
        tt.Conv1d(2, 4, 3, seed=0), tt.relu, tt.MaxPool1d(2), tt.Conv1d(4, 3, 2, seed=1), tt.Flatten(),
        tt.Linear(9, 2, seed=2),
    )  # fmt: skip
    x = samples(30, 2, 10)
    found, report = tt.quantize(model, x, report=True)
    assert report.snr > 25
    assert "QuantizedConv2d" in kinds(found)
    assert all(not name.startswith("Conv") for name in kinds(found))


def test_zeros_around_images_are_part_of_the_convolution():
    conv = tt.Conv2d(2, 4, 3, padding=1, seed=0)
    layers = [tt.Pad(((0, 1), (2, 0))), conv, tt.Flatten(), tt.Linear(224, 3, seed=1)]
    x = samples(30, 2, 6, 6)
    found, report = tt.quantize(tt.Sequential(*layers), x, report=True)
    assert kinds(found) == ["Quantize", "QuantizedConv2d", "Flatten", "QuantizedLinear"]
    assert found[1].padding == ((1, 2), (3, 1))
    assert report.snr > 30


def test_other_padding_is_that_of_bytes():
    layers = [tt.Conv2d(2, 4, 3, seed=0), tt.Pad(1, value=0.5), tt.MaxPool2d(2)]
    layers += [tt.Flatten(), tt.Linear(36, 3, seed=1)]
    found, report = tt.quantize(tt.Sequential(*layers), samples(30, 2, 6, 6), report=True)
    assert kinds(found) == ["Quantize", "QuantizedConv2d", "Pad", "MaxPool2d", "Flatten", "QuantizedLinear"]
    assert (
        abs((found[2].value - found[1].output_zero_point) * found[1].output_scale - 0.5)
        <= found[1].output_scale
    )
    assert report.snr > 25


# What is unusual


def test_an_activation_that_is_always_zero():
    model = tt.Sequential(
        tt.Linear.of(np.eye(3), [-9, -9, -9]), tt.relu, tt.Linear.of(np.ones((2, 3)), [1, 2])
    )
    x = np.clip(samples(50, 3), -1, 1)
    found = tt.quantize(model, x)
    assert np.allclose(found.predict(x), [[1, 2]] * 50, rtol=1e-6)


def test_a_channel_without_weights_keeps_its_bias():
    weight = np.array([[0, 0, 0], [1, 2, 3]], np.float32)
    model = tt.Sequential(tt.Linear.of(weight, [7.5, 0]))
    x = samples(50, 3)
    found = tt.quantize(model, x)
    assert np.allclose(found.predict(x)[:, 0], 7.5, rtol=1e-6)
    nothing = tt.Sequential(tt.Linear.of(np.zeros((2, 3)), [0, 0]))
    assert np.array_equal(tt.quantize(nothing, x).predict(x), np.zeros((50, 2)))


@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1e12, 1e30])
def test_weights_of_any_magnitude(factor):
    model = tt.Sequential(tt.Linear.of(samples(4, 8) * np.float32(factor)))
    report = tt.quantize(model, samples(50, 8, seed=1), report=True)[1]
    assert report.snr > 30


def test_sums_of_too_many_terms_stay_in_float32():
    n = MOST_TERMS + 1
    model = tt.Sequential(tt.Linear.of(np.ones((1, n)) / n))
    x = samples(3, n)
    assert kinds(tt.quantize(model, x)) == ["Linear"]
    model = tt.Sequential(tt.Linear.of(np.ones((1, n - 1)) / n, [1e6]))
    assert kinds(tt.quantize(model, x[:, 1:])) == ["Quantize", "QuantizedLinear"]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (np.zeros((0, 8)), tt.ArgumentError, "expected at least one sample, got none"),
        ([], tt.ShapeError, r"expected \(samples, …\), got shape \(0,\)"),
        (iter([]), tt.ArgumentError, "expected at least one sample"),
        (np.zeros(8), tt.ShapeError, r"x\[None\] is a batch of one"),
        (np.full((3, 8), np.nan), tt.ArgumentError, "expected finite numbers, sample 0 has others"),
        (iter([np.zeros((2, 8)), np.full((3, 8), np.inf)]), tt.ArgumentError, "sample 2 has others"),
        (np.zeros((3, 7)), tt.ShapeError, "expected .batch, 8., got .2, 7."),
        (iter([np.zeros((3, 8)), np.zeros((3, 7))]), tt.ShapeError, r"\(8,\) as the first, got \(7,\)"),
        (3, tt.DtypeError, "expected an array or batches of it, got 3"),
        (np.zeros((3, 8), "U3"), tt.DtypeError, "expected real numbers"),
        (np.full((3, 8), 3e38), tt.ArgumentError, "the output of 0 is not finite"),
    ],
)  # fmt: skip
def test_samples_that_are_refused(given, error, said):
    model = tt.Sequential(tt.Linear.of(np.full((2, 8), 10, np.float32)))
    with pytest.raises(error, match=said):
        tt.quantize(model, given)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"calibration": "min"}, "calibration: expected one of max, percentile, mse, got 'min'"),
        ({"keep": ["none"]}, "keep: no layer is named 'none'; there are 0"),
        *(
            ({"percentile": part}, "percentile: expected more than 50 and at most 100")
            for part in (10, 50, 100.5)
        ),
        ({"bound": 0.9}, "bound: expected .*agreement"),
        ({"bound": ("agreement", 99)}, "expected a share from 0 to 1, got 99"),
    ],
)
def test_arguments_that_are_refused(more, said):
    with pytest.raises(tt.ArgumentError, match=said):
        tt.quantize(tt.Sequential(tt.Linear(8, 2)), samples(5, 8), **more)


def test_models_that_are_refused():
    with pytest.raises(tt.DtypeError, match="expected a model"):
        tt.quantize(len, samples(5, 8))
    with pytest.raises(tt.ArgumentError, match="0: the weights are not finite"):
        tt.quantize(tt.Sequential(tt.Linear.of(np.full((1, 8), np.nan))), np.zeros((3, 8)) + 1)
    two = tt.Graph(["a", "b"], ["y"], [tt.Operator("Add")], [(["a", "b"], ["y"])])
    with pytest.raises(tt.UnsupportedOp, match="a model of one input, got 2"):
        tt.quantize(two, samples(5, 8))

    class Own(tt.Layer):
        def forward(self, x):
            return x**2.0

    with pytest.raises(tt.UnsupportedOp, match=r"Own.forward itself calls power"):
        tt.quantize(Own(), samples(5, 8))


def test_a_layer_inside_a_users_layer_is_kept():
    inner = tt.Sequential(tt.Linear(6, 6, seed=2), tt.relu)
    model = tt.Sequential(tt.Linear(8, 6, seed=0), tt.relu, Residual(inner), tt.Linear(6, 3, seed=1))
    found = tt.quantize(model, samples(50, 8), keep="2.inner.0")
    assert [type(layer).__name__ for layer in found.layers] == [
        "Quantize", "QuantizedLinear", "Dequantize", "Linear", "ReLU", "Quantize", "QuantizedAdd",
        "QuantizedLinear",
    ]  # fmt: skip


def test_bounds_that_are_not_0_are_bytes():
    model = tt.Sequential(tt.Linear(8, 6, seed=0), tt.Clip(0.5, 1.0), tt.Linear(6, 3, seed=1))
    first = tt.quantize(model, samples(300, 8))[1]
    assert (first.low, first.high) == (128, 255)  # steps of 1 / 255 from 0
    assert first.output_scale == pytest.approx(1 / 255)


class Floor(tt.Layer):
    """The larger one of a product and a number for each feature."""

    def __init__(self):
        self.product, self.least = tt.Linear(8, 6, seed=0), tt.linspace(-1, 1, 6)

    def forward(self, x):
        return tt.maximum(self.product(x), self.least)


def test_a_bound_for_each_feature_is_no_bound_of_all():
    model, x = tt.Sequential(Floor(), tt.Linear(6, 3, seed=1)), samples(300, 8)
    found, report = tt.quantize(model, x, report=True)
    assert report.snr > 30
    assert np.abs(found.predict(x) - model.predict(x)).max() < 0.1


# Ranges


@pytest.mark.parametrize(
    ("low", "high", "step", "zero_point"),
    [(0, 0, 1, 0), (0, 255, 1, 0), (51, 255, 1, 0), (-255, 0, 1, 255), (-255, -51, 1, 255), (-51, 204, 1, 51),
     (-1, 1, 2 / 255, 128)],
)  # fmt: skip
def test_a_scale_covers_a_range_and_0(low, high, step, zero_point):
    assert scale_of(low, high) == (pytest.approx(step), zero_point)


def test_ranges():
    values = np.concatenate([np.linspace(0, 1, 100_000), [100.0]]).astype(np.float32)
    seen = Observed(detailed=True)
    for part in np.split(values[:-1], 10):
        seen.add("x", part)
    seen.add("x", values[-1:])  # the histogram grows seven times
    assert seen.counts.sum() == len(values)
    assert range_of(seen, "max", 99.9) == (0.0, 100.0)
    low, high = range_of(seen, "percentile", 99.9)
    assert low == pytest.approx(0.001, abs=0.02)
    assert high == pytest.approx(0.999, abs=0.04)  # a bin is 128 · 2 / 8192 wide
    error = {}
    for part in (1.0, 0.5, 0.2):
        restored = scale_of(0, 100 * part).restored(values)
        error[part] = float(((restored - values) ** 2).sum())
    best = scale_of(*range_of(seen, "mse", 99.9)).restored(values)
    assert float(((best - values) ** 2).sum()) <= min(error.values()) * 1.05


def test_mse_beats_max_where_one_value_is_far():
    weight = np.ones((4, 8), np.float32)
    model = tt.Sequential(tt.Linear.of(weight), tt.relu, tt.Linear.of(samples(3, 4)))
    x = samples(500, 8)
    x[0] = 8
    snr = {name: tt.quantize(model, x[:], calibration=name, report=True)[1].snr for name in ("max", "mse")}
    assert snr["mse"] >= snr["max"] - 1e-9


# The report


def test_agreement_is_that_of_classes_on_the_last_axis():
    model, x = tt.Sequential(tt.Linear(8, 12, seed=0), tt.Reshape((4, 3))), samples(200, 8)
    found, report = tt.quantize(model, x, report=True)
    classes = [each.predict(x).argmax(-1) for each in (model, found)]
    assert report.agreement == (classes[0] == classes[1]).mean()


def test_the_report_says_what_is_lost():
    model = tt.Sequential(tt.Linear(8, 6, seed=0), tt.relu, tt.Linear(6, 3, seed=1), tt.softmax)
    x = samples(1500, 8)
    batches = iter([x[:999], x[999:1200], x[1200:]])
    found, report = tt.quantize(model, batches, calibration="percentile", percentile=99, report=True)
    some = x[:1000]
    y, z = model.predict(some).astype(float), found.predict(some).astype(float)
    assert report.samples == 1000
    assert report.snr == pytest.approx(10 * math.log10((y**2).sum() / ((y - z) ** 2).sum()), rel=1e-4)
    assert report.agreement == (y.argmax(1) == z.argmax(1)).mean()
    assert [row.name for row in report.rows] == ["0", "2", "3"]
    hidden = model.outputs(some, 1)[1].numpy()
    top = 255 * found[1].output_scale
    assert report.rows[0].saturation == pytest.approx(
        (hidden > top + found[1].output_scale / 2).mean(), abs=1e-4
    )
    assert 0 < report.rows[0].saturation < 0.05
    assert report.bytes == sum(each.nbytes for each in found.state_dict().values())
    assert report.float_bytes == sum(each.nbytes for each in model.state_dict().values())
    text = str(report)
    assert "QuantizedLinear" in text
    assert "of answers agree" in text
    assert "<table" in report._repr_html_()
    told = json.loads(report.to_json())
    assert told["rows"][0]["name"] == "0"
    assert told["agreement"] == report.agreement


def test_a_report_without_a_difference_is_json():
    model = tt.Sequential(tt.Linear.of(np.zeros((2, 3))))
    told = json.loads(tt.quantize(model, samples(5, 3), report=True)[1].to_json())
    assert told["snr"] is None


# Random networks


def same_everywhere(model, x):
    """Fused and layer by layer, in batches of any size, at any place, on any number of threads."""
    expected = model(tt.Tensor(x), fused=False).numpy()
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(model.predict(x, threads=threads), expected)
    for size in (1, 5, 13):
        np.testing.assert_array_equal(model.predict(x, batch_size=size), expected)
        np.testing.assert_array_equal(model.predict(x[size:]), expected[size:])
    np.testing.assert_array_equal(model.predict(x[::-1]), expected[::-1])


@pytest.mark.parametrize("seed", range(25))
def test_random_dense_networks_have_the_same_bits_everywhere(seed, tmp_path):
    rng = np.random.default_rng(seed)
    x = normal(rng, 131, 20)
    model = dense(rng)
    found, report = tt.quantize(model, x, calibration=("max", "percentile", "mse")[seed % 3], report=True)
    assert report.snr > 15
    same_everywhere(found, x)
    if not any(isinstance(each, Residual) for each in model):
        found.save(tmp_path / "model.safetensors")
        assert np.array_equal(tt.load(tmp_path / "model.safetensors").predict(x), found.predict(x))


@pytest.mark.parametrize("seed", range(25))
def test_random_networks_of_images_have_the_same_bits_everywhere(seed):
    rng = np.random.default_rng(seed)
    model, sample = images(rng)
    x = normal(rng, 29, *sample)
    found, report = tt.quantize(model, x, report=True)
    assert report.snr > 15
    same_everywhere(found, x)


# Accuracy

needs_digits = pytest.mark.skipif(
    not (SHARED / "mnist").is_dir(), reason="MNIST is not beside the repository"
)


def digits():
    train, _ = tt.datasets.mnist("train", data=SHARED / "mnist")
    test, labels = tt.datasets.mnist("test", data=SHARED / "mnist")
    return train[:1000], test, labels


def accuracy(model, x, labels):
    return float((model.predict(x).argmax(axis=1) == labels).mean())


@needs_digits
@pytest.mark.parametrize("calibration", ["max", "percentile", "mse"])
@pytest.mark.parametrize("name", ["mnist_mlp", "mnist_cnn"])
def test_the_packaged_networks_lose_less_than_a_tenth_of_a_point(name, calibration, tmp_path):
    model = getattr(tt.models, name)()
    train, test, labels = digits()
    found = tt.quantize(model, train, calibration=calibration)
    assert abs(accuracy(found, test, labels) - accuracy(model, test, labels)) <= 0.001
    found.save(tmp_path / "bytes.safetensors")
    model.save(tmp_path / "floats.safetensors")
    bytes_, floats = ((tmp_path / f"{each}.safetensors").stat().st_size for each in ("bytes", "floats"))
    weights = sum(each.size for key, each in model.state_dict().items() if key.endswith("weight"))
    assert floats - bytes_ > 2.9 * weights  # three bytes of each, less scales, tables and a longer header


@needs_digits
@pytest.mark.skipif(
    not (SHARED / "book").is_dir(), reason="the course's weights are not beside the repository"
)
@pytest.mark.parametrize(
    ("file", "shape"), [("sample_weight.pkl", (784,)), ("simple_convnet_params.pkl", (1, 28, 28))]
)
def test_the_courses_networks_lose_less_than_a_tenth_of_a_point(file, shape):
    model = tt.io.book.load(SHARED / "book" / file).astype("float32")
    train, test, labels = digits()
    x, y = (each.reshape(-1, *shape) / np.float32(255) for each in (train, test))
    found = tt.quantize(model, x)
    assert abs(accuracy(found, y, labels) - accuracy(model, y, labels)) <= 0.001


NETWORKS = ("ad01.h5", "kws_ref_model.keras", "pretrainedResnet.h5", "vww_96.h5", "str_ww_ref_model.h5")


@pytest.mark.skipif(not (SHARED / "mlperf_tiny").is_dir(), reason="MLPerf Tiny is not beside the repository")
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_mlperf_tiny(name):
    pytest.importorskip("h5py")
    model = tt.load(SHARED / "mlperf_tiny" / name)
    x = np.load(SHARED / "mlperf_tiny" / f"{name.rpartition('.')[0]}_reference.npz")["x"]
    found, report = tt.quantize(model, x, report=True)
    assert report.snr > 20
    assert not {type(each).__name__ for each in found.children().values()} & {"Conv2d", "Linear", "BatchNorm"}
    same_everywhere(found, x)
