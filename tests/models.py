"""Hypothesis strategies for models: any stack of known layers that takes samples of six features."""

import numpy as np
from hypothesis import strategies as st

import tinytensor as tt

FEATURES = 6

seeds = st.integers(0, 2**31)
slopes = st.floats(-2, 2, width=32)

activations = st.one_of(
    st.sampled_from([tt.activations.get(name) for name in tt.activations.names()]),
    st.builds(tt.LeakyReLU, slopes), st.builds(tt.ELU, slopes), st.builds(tt.Swish, slopes),
    st.just(tt.GELU("tanh")), st.just(tt.Softsign()), st.builds(tt.Clip, st.just(-0.5), st.just(1.5)),
    st.builds(tt.CELU, st.floats(0.25, 2, width=32)), st.builds(tt.ThresholdedReLU, slopes),
    st.builds(tt.ClippedLinear, slopes, slopes), st.builds(tt.ScaledELU, slopes, slopes),
)  # fmt: skip

KINDS = (
    "linear", "activation", "rescale", "dropout", "flatten", "reshape", "perceptron", "batch_norm",
    "layer_norm", "prelu",
)  # fmt: skip


@st.composite
def layers(draw, features, depth, kinds, functions):
    """A layer for a batch of that many features, and how many it makes of them."""
    kind = draw(st.sampled_from([*kinds] + ["block"] * (depth > 0)))
    if kind == "block":
        return draw(stacks(features, depth - 1, kinds, functions))
    outs = draw(st.integers(1, 8))
    if kind == "linear":
        dtype = draw(st.sampled_from(["float32", "float64"]))
        return tt.Linear(features, outs, bias=draw(st.booleans()), seed=draw(seeds), dtype=dtype), outs
    if kind == "perceptron":
        seed = draw(seeds)
        return tt.Perceptron(tt.normal((outs, features), seed=seed), tt.normal(outs, seed=seed + 1)), outs
    if kind == "rescale":
        scale = draw(st.one_of(slopes, st.lists(slopes, min_size=features, max_size=features)))
        return tt.Rescale(scale, draw(slopes)), features
    rng = np.random.default_rng(draw(seeds))
    weight, bias, mean = rng.standard_normal((3, features)).astype(np.float32)
    plain = {
        "batch_norm": st.builds(
            tt.BatchNorm, st.just(weight), st.just(bias), st.just(mean), st.just(np.abs(mean) + 0.1),
            st.sampled_from([1e-5, 1e-3]), axis=st.sampled_from([1, -1]),
        ),
        "layer_norm": st.builds(tt.LayerNorm, st.just(weight), st.sampled_from([None, bias]), st.just(0.1)),
        "prelu": st.builds(tt.PReLU, st.sampled_from([weight, weight[:1]])),
        "activation": functions, "flatten": st.just(tt.Flatten()),
        "dropout": st.builds(tt.Dropout, st.floats(0, 1)),
        "reshape": st.sampled_from([tt.Reshape(features), tt.Reshape((-1,))]),
    }  # fmt: skip
    return draw(plain[kind]), features


@st.composite
def stacks(draw, features, depth, kinds=KINDS, functions=activations):
    """A Sequential for a batch of that many features, some layers named, and how many it makes of them."""
    model = tt.Sequential()
    for position in range(draw(st.integers(0, 4))):
        layer, features = draw(layers(features, depth, kinds, functions))
        model.append((f"layer{position}", layer) if draw(st.booleans()) else layer)
    return model, features


def sequentials(depth=2, without=(), functions=activations):
    """Models that take (batch, 6), of all kinds of layers but some."""
    kinds = tuple(kind for kind in KINDS if kind not in without)
    return stacks(FEATURES, depth, kinds, functions).map(lambda pair: pair[0])
