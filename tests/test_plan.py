"""One answer: a row has the same bits on every path that it can take through a model."""

import itertools
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinytensor as tt
from tests.models import FEATURES, sequentials
from tinytensor.inference.plan import plan_of


def bits(x):
    """A float array as integers; every NaN as one."""
    x = np.where(np.isnan(x), np.array(np.nan, x.dtype), x)
    return x.view(np.int32 if x.dtype == np.float32 else np.int64)


def same_bits(actual, expected):
    """Assert equality, bit by bit; which NaN it is, IEEE 754 leaves open."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert np.array_equal(bits(actual), bits(expected))


def samples(rng, n, features, zeros=0.0, dtype=np.float32):
    """Random samples, a part of whose numbers are zero."""
    x = rng.standard_normal((n, features)).astype(dtype)
    x[rng.random(x.shape) < zeros] = 0
    return x


CHAPTER = tt.Sequential(
    tt.Linear(784, 50, seed=0), tt.sigmoid, tt.Linear(50, 100, seed=1), tt.sigmoid,
    tt.Linear(100, 10, seed=2), tt.softmax,
)  # fmt: skip
WIDE = tt.Sequential(
    tt.Linear(130, 300, seed=0), tt.relu, tt.Linear(300, 300, seed=1), tt.relu, tt.Linear(300, 3, seed=2),
    tt.LogSoftmax(),
)  # fmt: skip
HUNGRY = tt.Sequential(  # most hidden numbers are zero
    tt.Linear(90, 200, bias=np.full(200, -2.0), seed=0), tt.relu, tt.Linear(200, 150, seed=1), tt.relu,
    tt.Linear(150, 140, seed=2),
)  # fmt: skip
SIZES = [0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 24, 25, 26, 31, 32, 33, 47, 63, 64, 65, 127, 128, 129, 200, 1000]


@pytest.mark.parametrize("model", [CHAPTER, WIDE, HUNGRY], ids=["chapter", "wide", "hungry"])
@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_batch_size_is_layer_by_layer(model, zeros, dtype):
    x = samples(np.random.default_rng(1), max(SIZES), model[0].in_features, zeros, dtype)
    expected = model(tt.Tensor(x), fused=False).numpy()
    for n in SIZES:
        same_bits(model.predict(x[:n], threads=1), expected[:n])
        same_bits(model(x[-n:] if n else x[:0]), expected[len(x) - n :])


@given(sequentials(), st.integers(0, 70), st.floats(0, 1), st.integers(0, 2**31), st.sampled_from("fd"))
def test_any_model_is_layer_by_layer(model, n, zeros, seed, dtype):
    x = samples(np.random.default_rng(seed), n, FEATURES, zeros, np.dtype(dtype))
    with np.errstate(all="ignore"):
        same_bits(model(x), model(x, fused=False))


@given(st.integers(1, 200), st.integers(1, 70), st.integers(1, 40), st.floats(0, 1), st.integers(0, 2**31))
def test_any_shape_is_layer_by_layer(features, hidden, outputs, zeros, seed):
    model = tt.Sequential(tt.Linear(features, hidden, seed=seed), tt.tanh, tt.Linear(hidden, outputs, seed=1))
    x = samples(np.random.default_rng(seed), 40, features, zeros)
    expected = model(x, fused=False)
    same_bits(model(x), expected)
    same_bits(model(x[:9]), expected.numpy()[:9])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38, 1e-45, -0.0])
@pytest.mark.parametrize("n", [1, 3, 40, 300])
def test_a_bad_number_stays_in_its_row(bad, n):
    x = samples(np.random.default_rng(2), n, 784, 0.8)
    clean = CHAPTER.predict(x)
    x[n // 2, ::3] = bad
    dirty = CHAPTER.predict(x)
    same_bits(dirty, CHAPTER(x, fused=False))
    others = np.arange(n) != n // 2
    same_bits(dirty[others], clean[others])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_no_input_is_skipped_where_a_weight_is_not_finite(bad):
    weight = np.ones((5, 70), np.float32)
    weight[3, 7] = bad
    model = tt.Sequential(tt.Linear.of(weight))
    x = np.zeros((40, 70), np.float32)
    for n in (1, 40):
        y = model.predict(x[:n])
        assert np.isnan(y[:, 3]).all()
        assert (y[:, [0, 1, 2, 4]] == 0).all()


def test_minus_zero_as_bias_and_as_input():
    model = tt.Sequential(tt.Linear(20, 3, weight=np.ones((3, 20)), bias=[-0.0, 0.0, -1.0]))
    x = np.full((40, 20), -0.0, np.float32)
    same_bits(model.predict(x), model(x, fused=False))
    assert not np.signbit(model.predict(x)[:, 0]).any()


def test_layouts():
    rng = np.random.default_rng(3)
    x = samples(rng, 300, 784, 0.5)
    expected = CHAPTER(x, fused=False).numpy()
    wide = np.zeros((300, 1000), np.float32)
    wide[:, 100:884] = x
    every_other = np.zeros((600, 784), np.float32)
    every_other[::2] = x
    unaligned = np.zeros(x.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(x.shape)
    unaligned[:] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for each in (
        wide[:, 100:884], every_other[::2], np.asfortranarray(x), x[::-1][::-1], unaligned, read_only,
        x.astype(">f4"), tt.Tensor(x), x.tolist(),
    ):  # fmt: skip
        same_bits(CHAPTER.predict(each), expected)
    same_bits(CHAPTER.predict(x[::-1]), expected[::-1])
    same_bits(CHAPTER.predict(x[7]), expected[7])
    same_bits(CHAPTER(tt.Tensor(x[7])), expected[7])
    same_bits(CHAPTER.predict(np.broadcast_to(x[5], (40, 784))), np.broadcast_to(expected[5], (40, 10)))
    same_bits(CHAPTER.predict(x.reshape(3, 100, 784)), expected.reshape(3, 100, 10))
    same_bits(CHAPTER.predict(np.asfortranarray(x.reshape(3, 100, 784))), expected.reshape(3, 100, 10))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, np.float16, np.bool])
def test_other_dtypes_become_float32(dtype):
    x = np.random.default_rng(4).integers(0, 2, (70, 784)).astype(dtype)
    for model in (CHAPTER, tt.Sequential(tt.Rescale(1 / 255), *CHAPTER)):
        same_bits(model.predict(x), model(x.astype(np.float32), fused=False))
        same_bits(model(x), model(x, fused=False))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.bool])
def test_tensors_of_other_dtypes_are_layer_by_layer(dtype):
    x = tt.Tensor(np.random.default_rng(4).integers(0, 2, (70, 784)), dtype=dtype)
    for model in (CHAPTER, tt.Sequential(tt.Rescale(1 / 255), *CHAPTER)):
        same_bits(model(x), model(x, fused=False))


def test_images_of_bytes():
    images = np.random.default_rng(5).integers(0, 256, (70, 28, 28)).astype(np.uint8)
    model = tt.Sequential(tt.Flatten(), tt.Rescale(1 / 255, 0.5), *CHAPTER)
    same_bits(model.predict(images), model(images, fused=False))
    same_bits(model.predict(images[:, ::-1, :]), model(images[:, ::-1, :], fused=False))
    swapped = tt.Sequential(tt.Rescale(1 / 255, 0.5), tt.Flatten(), *CHAPTER)
    same_bits(swapped.predict(images), model.predict(images))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads_change_nothing(threads):
    x = samples(np.random.default_rng(6), 5000, 784, 0.5)
    same_bits(CHAPTER.predict(x, threads=threads), CHAPTER(x, fused=False))


def test_a_layer_of_ones_own_between_two_stretches():
    class Double(tt.Layer):
        def forward(self, x):
            return x * 2

    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.relu, Double(), tt.Linear(5, 4, seed=1), tt.softmax)
    x = samples(np.random.default_rng(7), 50, 6)
    same_bits(model(x), model(x, fused=False))
    same_bits(model.predict(x, batch_size=7), model(x, fused=False))


def test_bytes_through_maps_alone_before_a_layer_of_float64():
    images = np.random.default_rng(8).integers(0, 256, (50, 6)).astype(np.uint8)
    wide = tt.Linear(6, 4, seed=0, dtype=np.float64)
    for layers in ([tt.tanh], [tt.tanh, tt.gelu], [tt.Rescale(1 / 255), tt.relu], [tt.Rescale(1 / 255)]):
        model = tt.Sequential(*layers, wide)
        for n in (1, 50):
            same_bits(model.predict(images[:n]), model(images[:n], fused=False))


@pytest.mark.parametrize("widths", [[16] * 130, [*range(10, 140)]], ids=["equal", "different"])
def test_deep_networks_are_layer_by_layer(widths):
    layers = [tt.Linear(a, b, seed=a) for a, b in itertools.pairwise(widths)]
    model = tt.Sequential(*(each for layer in layers for each in (layer, tt.tanh)))
    x = samples(np.random.default_rng(9), 33, widths[0])
    same_bits(model.predict(x), model(x, fused=False))


def test_an_activation_of_ones_own_runs_inside():
    @tt.activation
    def cubed(x, a=2.0):
        return a * x * x * x

    model = tt.Sequential(tt.Linear(6, 5, seed=0), cubed(a=0.5), tt.Linear(5, 4, seed=1))
    x = samples(np.random.default_rng(7), 50, 6)
    same_bits(model(x), model(x, fused=False))


def test_an_activation_that_does_not_compile_is_named():
    @tt.activation
    def broken(x):
        return x.nothing

    model = tt.Sequential(tt.Linear(6, 5, seed=0), broken)
    with pytest.raises(tt.ArgumentError, match=r"Sequential\[1\] Broken\(\).*Numba cannot compile it"):
        model.predict(np.zeros((3, 6)))


def test_wrong_samples_are_told_where():
    for x in (np.zeros((3, 100)), np.zeros(100), np.zeros((784, 3)), np.zeros(())):
        with pytest.raises(
            tt.ShapeError, match=r"Sequential\[0\] Linear\(in_features=784, out_features=50\)"
        ):
            CHAPTER.predict(x)
    with pytest.raises(tt.ShapeError, match=r"did you mean x\.T\?"):
        CHAPTER.predict(np.zeros((784, 3)))
    for x in (np.zeros((3, 784), complex), np.full((3, 784), "a"), np.full((3, 784), None)):
        with pytest.raises(tt.DtypeError):
            CHAPTER.predict(x)


def test_heavy_weights_take_larger_blocks():
    model = tt.Sequential(tt.Linear(600, 500, seed=0), tt.relu, tt.Linear(500, 5, seed=1))
    x = samples(np.random.default_rng(9), 260, 600, 0.3)
    expected = model(x, fused=False)
    for threads in (1, 2):
        same_bits(model.predict(x, threads=threads), expected)
    for first, last in ((0, 1), (117, 130), (251, 253)):
        same_bits(model.predict(x[first:last]), expected[first:last])
    (form,) = plan_of(model).forms.values()
    assert form.only.block == 252


def test_no_samples():
    assert CHAPTER.predict(np.zeros((0, 784))).shape == (0, 10)
    assert CHAPTER.predict(np.zeros((0, 784), np.uint8), batch_size=5).shape == (0, 10)


def test_a_changed_parameter_is_seen():
    model = tt.Sequential(tt.Linear(6, 5, seed=0), tt.relu)
    x = samples(np.random.default_rng(8), 40, 6)
    before = model.predict(x)
    model[0].weight = -model[0].weight
    same_bits(model.predict(x), model(x, fused=False))
    assert not np.array_equal(model.predict(x), before)
    model[1] = tt.LeakyReLU(0.1)
    same_bits(model.predict(x), model(x, fused=False))
    model[1].negative_slope = 0.7
    same_bits(model.predict(x), model(x, fused=False))
    model.append(tt.Linear(5, 2, seed=3))
    same_bits(model.predict(x), model(x, fused=False))


def test_a_change_elsewhere_costs_no_new_plan():
    model = tt.Sequential(tt.Linear(6, 5, seed=0))
    model.predict(np.zeros((1, 6)))
    plan = model._plan
    tt.Linear(3, 3)
    model.predict(np.zeros((1, 6)))
    assert model._plan is plan


def test_old_or_new_while_another_thread_changes_both_parameters():
    low, high = ({"0.weight": np.full((5, 6), v), "0.bias": np.full(5, v)} for v in (1.0, 2.0))
    model = tt.Sequential(tt.Linear(6, 5))
    model.load_state_dict(low)
    x = np.ones((40, 6), np.float32)
    stop = threading.Event()

    def change():
        while not stop.is_set():
            model.load_state_dict(high)
            model.load_state_dict(low)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(300):
            assert set(np.unique(model.predict(x))) in ({7.0}, {14.0})
    finally:
        stop.set()
        changer.join()
