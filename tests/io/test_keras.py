"""Models of Keras as objects, where it is installed."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import gamma, within
from tests.rounding import error_bound

# Keras 3.15 on PyTorch, and NumPy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
pytest.importorskip("h5py", reason="h5py is not installed")

os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", minversion="3", reason="Keras 3 on PyTorch is not installed")


def randomized(model, seed):
    """The model with random weights, all of them positive but for the kernels."""
    rng = np.random.default_rng(seed)
    values = [rng.uniform(0.1, 0.9, w.shape) - 0.5 * (w.ndim > 1) for w in model.get_weights()]
    model.set_weights([each.astype(w.dtype) for each, w in zip(values, model.get_weights(), strict=True)])
    return model


def computed(theirs, x):
    """What a model or a layer of Keras makes of x, whatever its backend."""
    import keras

    return keras.ops.convert_to_numpy(theirs(x, training=False))


def agree(model, theirs, x):
    within(model(x), computed(theirs, x), 2 * error_bound(model, x))


def saved(theirs, tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "model.h5"
    theirs.save(path)
    return path


LAYERS = [
    ("Dense", {"units": 4}), ("Dense", {"units": 3, "use_bias": False, "activation": "gelu"}),
    ("Dense", {"units": 2, "activation": "softmax"}), ("Dense", {"units": 5, "activation": "leaky_relu"}),
    ("ReLU", {}), ("ReLU", {"negative_slope": 0.3}), ("ReLU", {"max_value": 0.5}),
    ("LeakyReLU", {}), ("LeakyReLU", {"negative_slope": 0.1}), ("ELU", {}), ("ELU", {"alpha": 0.5}),
    ("PReLU", {}), ("Softmax", {}), ("Flatten", {}), ("Rescaling", {"scale": 0.5, "offset": 0.25}),
    ("Dropout", {"rate": 0.4}), ("BatchNormalization", {}), ("BatchNormalization", {"center": False}),
    ("BatchNormalization", {"scale": False, "epsilon": 0.1}), ("LayerNormalization", {"epsilon": 0.1}),
    ("LayerNormalization", {"epsilon": 0.1, "center": False}), ("GaussianNoise", {"stddev": 1.0}),
    ("Normalization", {"mean": 0.5, "variance": 4.0}), ("Rescaling", {"scale": 2.0}),
    ("Normalization", {"mean": 0.5, "variance": 4.0, "invert": True}),
    ("Reshape", {"target_shape": (-1,)}), ("Identity", {}), ("ActivityRegularization", {}),
    *(("Activation", {"activation": name}) for name in (
        "celu", "elu", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear",
        "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign",
        "tanh")),
]  # fmt: skip


@settings(max_examples=40)
@given(chosen=st.lists(st.sampled_from(LAYERS), min_size=1, max_size=5), split=st.integers(0, 5),
       functional=st.booleans(), seed=st.integers(0, 99), suffix=st.sampled_from([None, ".h5"]))  # fmt: skip
def test_random_models(keras, tmp_path_factory, chosen, split, functional, seed, suffix):
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
    agree(tt.from_keras(theirs if suffix is None else saved(theirs, tmp_path_factory)), theirs, x)


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
    within(model(x), computed(theirs, x), 2 * error_bound(dense, flat))
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
        within(model(x), computed(each, x), 4 * np.finfo(np.float32).eps * np.abs(wanted))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float16"])
def test_other_dtypes(keras, policy):
    layers = keras.layers
    theirs = keras.Sequential([layers.Input((3,)), layers.Dense(2, dtype=policy, activation="tanh")])
    model = tt.from_keras(theirs)
    kernel = np.asarray(theirs.get_weights()[0]).astype(np.float64)
    assert np.array_equal(model[0].weight.numpy(), kernel.T)
    assert model[0].weight.dtype == "float32"


def agrees(keras, theirs, shape, seed=0):
    """Read, run on samples of that shape in both programs; how far they may differ is `tt.verify`'s rule."""
    from tinytensor.io.tolerance import tolerance, value_scales

    model = tt.from_keras(randomized(theirs, seed))
    x = np.random.default_rng(seed).uniform(0, 1, (4, *shape)).astype(np.float32)
    ours, expected = model(x).numpy(), computed(theirs, x)
    within(ours, expected, tolerance(value_scales(model, [x]).outputs[0], np.dtype(np.float32)))
    return model


def test_graphs_with_branches(keras):
    layers = keras.layers
    x = keras.Input((3,))
    shared = layers.Dense(3, activation="tanh", name="shared")
    a, b = shared(x), layers.Dense(3)(x)
    inner = keras.Model(x, layers.Add()([layers.Dense(3)(x), x]))
    for y in (
        layers.Add()([x, b]), shared(a), layers.Concatenate()([a, b, x]), layers.Multiply()([a, b, x]),
        layers.Average()([a, b, x]), layers.Maximum()([a, b]), layers.Minimum()([a, b, x]),
        layers.Subtract()([shared(b), a]), layers.Dense(2)(layers.Add()([inner(a), inner(b)])),
    ):  # fmt: skip
        assert type(agrees(keras, keras.Model(x, y), (3,))) is tt.Graph
    model = tt.from_keras(keras.Model(x, [a, b]))
    assert [each.shape for each in model(np.ones((2, 3), np.float32))] == [(2, 3), (2, 3)]
    model = tt.from_keras(keras.Model([x, z := keras.Input((3,))], layers.Add()([x, z])))
    assert model([[1, 2, 3]], [[1, 1, 1]]).tolist() == [[2.0, 3.0, 4.0]]
    with pytest.raises(tt.UnsupportedOp, match="no layer of Keras"):
        tt.from_keras(keras.Model(x, x + 1.0))
    with pytest.raises(tt.UnsupportedOp, match="expected values of as many axes"):
        tt.from_keras(keras.Model(x, layers.Add()([x, layers.Reshape((3, 1))(x)])))


def test_layers_of_images(keras):
    layers = keras.layers
    for each in (
        layers.Conv2D(4, 3), layers.Conv2D(4, (3, 2), strides=2, padding="same", activation="relu"),
        layers.Conv2D(6, 3, groups=3, dilation_rate=2, use_bias=False),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.DepthwiseConv2D((2, 3), strides=(2, 2), depth_multiplier=2, activation="relu"),
        layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same", activation="tanh"),
        layers.MaxPooling2D(), layers.MaxPooling2D(3, 2, "same"),
        layers.AveragePooling2D((2, 3)),
        # Keras on PyTorch counts asymmetric padding as repeated pixels; on TensorFlow and JAX it does not
        layers.AveragePooling2D(3, 1, padding="same"),
        layers.GlobalAveragePooling2D(), layers.GlobalMaxPooling2D(keepdims=True), layers.ZeroPadding2D(2),
        layers.ZeroPadding2D(((1, 0), (2, 3))), layers.Cropping2D(((1, 0), (2, 1))),
        layers.UpSampling2D((2, 3)),
        layers.UpSampling2D(2, interpolation="bilinear"), layers.Permute((3, 1, 2)),
        layers.BatchNormalization(),
        layers.SpatialDropout2D(0.5), layers.Flatten(),
    ):  # fmt: skip
        agrees(keras, keras.Sequential([layers.Input((7, 8, 3)), each]), (7, 8, 3))


def transposed(x, kernel, bias, stride, before, length):
    """The transposed convolution with all its products, of which some from each beginning are kept: NHWC."""
    n, *lengths, _ = x.shape
    whole = [max((m - 1) * s + k, a + w) for m, s, k, a, w in
             zip(lengths, stride, kernel.shape, before, length, strict=False)]  # fmt: skip
    y = np.zeros((n, *whole, kernel.shape[2]))
    for i, j in np.ndindex(*lengths):
        for a, b in np.ndindex(*kernel.shape[:2]):
            y[:, i * stride[0] + a, j * stride[1] + b] += x[:, i, j] @ kernel[a, b].T
    kept = tuple(slice(a, a + w) for a, w in zip(before, length, strict=True))
    return y[(slice(None), *kept)] + bias


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra", "before", "length"),
    [
        ((3, 3), (2, 2), "valid", None, (0, 0), (11, 13)),
        ((3, 3), (2, 2), "same", None, (0, 0), (10, 12)),
        ((4, 5), (2, 2), "same", None, (1, 1), (10, 12)),
        ((2, 1), (3, 3), "valid", None, (0, 0), (15, 18)),
        ((2, 1), (3, 3), "same", None, (0, 0), (15, 18)),
        ((3, 2), (2, 1), "same", None, (0, 0), (10, 6)),
        ((3, 3), (2, 2), "same", 1, (0, 0), (10, 12)),
        ((3, 3), (2, 2), "same", 0, (1, 1), (9, 11)),
        ((3, 2), (3, 2), "valid", (2, 1), (0, 0), (17, 13)),
    ],
)
def test_transposed_convolutions(keras, kernel, stride, padding, extra, before, length):
    """Against Keras, and against plain loops with what the formulas of its documentation cut off."""
    layers = keras.layers
    layer = layers.Conv2DTranspose(4, kernel, stride, padding, output_padding=extra)
    theirs = keras.Sequential([layers.Input((5, 6, 3)), layer])
    model = agrees(keras, theirs, (5, 6, 3))
    x = np.random.default_rng(0).uniform(0, 1, (4, 5, 6, 3)).astype(np.float32)
    weight, bias = (np.asarray(each, np.float64) for each in layer.get_weights())
    expected = transposed(x.astype(float), weight, bias, stride, before, length)
    bound = transposed(x.astype(float), np.abs(weight), np.abs(bias), stride, before, length)
    within(model(x), expected, gamma(3 * kernel[0] * kernel[1] + 1, np.float32) * bound)


def test_a_transposed_convolution_with_channels_first_or_dilated(keras):
    layers = keras.layers
    first = layers.Conv2DTranspose(4, 3, strides=2, data_format="channels_first", activation="relu")
    agrees(keras, keras.Sequential([layers.Input((3, 5, 6)), first]), (3, 5, 6))
    for padding in ("same", "valid"):
        wide = layers.Conv2DTranspose(4, 3, dilation_rate=2, padding=padding)
        agrees(keras, keras.Sequential([layers.Input((5, 6, 3)), wide]), (5, 6, 3))


def test_layers_of_three_spatial_axes_are_refused(keras):
    layers = keras.layers
    for each in (
        layers.Conv3D(2, 2), layers.Conv3DTranspose(2, 2), layers.MaxPooling3D(2), layers.AveragePooling3D(2),
        layers.GlobalAveragePooling3D(), layers.UpSampling3D(2), layers.ZeroPadding3D(1),
        layers.Cropping3D(1),
    ):  # fmt: skip
        said = f"{type(each).__name__} '.*': three spatial axes; tinytensor computes with one or two"
        with pytest.raises(tt.UnsupportedOp, match=said):
            tt.from_keras(keras.Sequential([layers.Input((5, 6, 7, 3)), each]))


def test_a_mask_that_a_mean_would_read_is_refused(keras):
    layers = keras.layers
    for marks in (False, True):
        theirs = keras.Sequential(
            [layers.Input((5,)), layers.Embedding(7, 4, mask_zero=marks, name="words"),
             layers.GlobalAveragePooling1D(name="mean")]
        )  # fmt: skip
        x = np.array([[0, 6, 1, 2, 0]], np.float32)
        if marks:
            said = "Embedding 'words': mask_zero: GlobalAveragePooling1D 'mean' would leave steps out"
            with pytest.raises(tt.UnsupportedOp, match=said):
                tt.from_keras(theirs)
        else:  # a mean of five
            within(tt.from_keras(theirs)(x), computed(theirs, x), 2 * gamma(6, np.float32))


def test_layers_of_sequences(keras):
    layers = keras.layers
    for each in (
        layers.Conv1D(4, 3), layers.Conv1D(4, 3, dilation_rate=2, padding="causal", activation="relu"),
        layers.Conv1D(4, 2, strides=2, padding="same"), layers.DepthwiseConv1D(3, depth_multiplier=2),
        layers.SeparableConv1D(4, 3), layers.MaxPooling1D(), layers.AveragePooling1D(3, 2, "same"),
        layers.ZeroPadding1D((1, 2)), layers.ZeroPadding1D(2), layers.Cropping1D((1, 2)),
        layers.Cropping1D(2), layers.MaxPooling1D(3, 2, "same", data_format="channels_first"),
        layers.AveragePooling1D(2, 1, data_format="channels_first"), layers.UpSampling1D(3),
        layers.GlobalAveragePooling1D(), layers.GlobalMaxPooling1D(keepdims=True),
        layers.GlobalAveragePooling1D(data_format="channels_first", keepdims=True),
        layers.GlobalMaxPooling1D(data_format="channels_first"),
        layers.Conv1DTranspose(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv1DTranspose(4, 2, strides=3, use_bias=False),
    ):  # fmt: skip
        model = agrees(keras, keras.Sequential([layers.Input((9, 3)), each]), (9, 3))
        assert [row.fused for row in model.summary((9, 3)).rows] == [True] * len(model)
    theirs = keras.Sequential([layers.Input((5,)), layers.Embedding(7, 4), layers.Flatten(), layers.Dense(2)])
    model, x = tt.from_keras(randomized(theirs, 0)), np.array([[0, 6, 1, 2, 3]], np.float32)
    # 20 products and the bias, each side in its order
    size = np.abs(model[0](x).numpy()).sum() * np.abs(model[-1].weight).max() + 1
    within(model(x), computed(theirs, x), 2 * gamma(21, np.float32) * float(np.asarray(size)))


def test_layers_and_things_that_tinytensor_does_not_have(keras):
    layers = keras.layers

    class Mine(layers.Layer):
        def call(self, x):
            return -x

    for each, said in (
        (layers.GRU(1), "GRU 'gru.*': tinytensor has no such layer"),
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


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_normalization_that_has_seen_data(keras, tmp_path, axis, suffix):
    x = np.random.default_rng(0).standard_normal((9, 2, 3)).astype(np.float32) * [1, 10, 100] + [0, 5, 50]
    x = x.astype(np.float32)
    norm = keras.layers.Normalization(axis=axis)
    norm.adapt(x)
    theirs = keras.Sequential([keras.layers.Input((2, 3)), norm, keras.layers.Dense(2)])
    theirs.save(tmp_path / f"model{suffix}")
    agree(tt.load(tmp_path / f"model{suffix}"), theirs, x)


@pytest.mark.parametrize("axis", [-1, 1, [1, 2]])
def test_unit_normalization(keras, axis):
    layer = keras.layers.UnitNormalization(axis=axis)
    x = np.random.default_rng(0).standard_normal((4, 2, 3)).astype(np.float32)
    x[0] = 0
    wanted = computed(layer, x)
    ours = tt.from_keras(keras.Sequential([keras.layers.Input((2, 3)), layer]))(x)
    # squares, their sum, the root and the division or the product, on both sides
    within(ours, wanted, 2 * gamma(10, np.float32) * np.abs(wanted))


def test_a_model_without_an_input_that_was_built_by_its_first_batch(keras, tmp_path):
    theirs = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)])
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    computed(theirs, x)
    for name in ("m.keras", "m.h5"):
        theirs.save(tmp_path / name)
        agree(tt.load(tmp_path / name), theirs, x)


def test_frozen_layers_inside_a_model(keras, tmp_path):
    """Keras lists the weights of a model inside with those that are trained first."""
    layers = keras.layers
    frozen = layers.Dense(4, trainable=False, name="frozen")
    inner = keras.Sequential([layers.Input((3,)), frozen, layers.BatchNormalization(), layers.Dense(4)])
    theirs = randomized(keras.Sequential([layers.Input((3,)), inner, layers.Dense(2)]), 3)
    theirs.save(tmp_path / "m.h5")
    x = np.random.default_rng(0).standard_normal((3, 3)).astype(np.float32)
    agree(tt.load(tmp_path / "m.h5"), theirs, x)


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`", "ignore:Layer InputLayer does not have")
def test_what_changes_a_layer_beyond_what_tinytensor_has(keras):
    layers = keras.layers
    for each, said in (
        (layers.LayerNormalization(rms_scaling=True), "the option 'rms_scaling' is not known"),
        (layers.BatchNormalization(renorm=True), "the option 'renorm' is not known"),
        (layers.Dense(2, dtype="int8_from_float32"), "expected a dtype of"),
    ):
        with pytest.raises(tt.UnsupportedOp, match=said):
            tt.from_keras(keras.Sequential([layers.Input((3,)), each]))
    quantized = keras.Sequential([layers.Input((3,)), layers.Dense(2)])
    quantized.quantize("int8")
    with pytest.raises(tt.UnsupportedOp, match=r"expected a dtype of|quantization_config"):
        tt.from_keras(quantized)


def test_weights_alone(keras, tmp_path):
    theirs = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    theirs.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(tt.ModelFormatError, match=r"save the model with model\.save\('model\.keras'\)"):
        tt.load(tmp_path / "m.weights.h5")
    theirs.save(tmp_path / "model.keras")
    agree(tt.load(tmp_path / "model.keras"), theirs, np.ones((1, 3), np.float32))
