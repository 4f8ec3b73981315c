"""Hypothesis strategies for models: any stack of known layers that takes samples of six features."""

from hypothesis import strategies as st

import tinytensor as tt

FEATURES = 6

seeds = st.integers(0, 2**31)
slopes = st.floats(-2, 2, width=32)

activations = st.one_of(
    st.sampled_from([tt.activations.get(name) for name in tt.activations.names()]),
    st.builds(tt.LeakyReLU, slopes), st.builds(tt.ELU, slopes), st.builds(tt.Swish, slopes),
    st.just(tt.GELU("tanh")),
)  # fmt: skip


@st.composite
def layers(draw, features, depth):
    """A layer for a batch of that many features, and how many it makes of them."""
    kinds = ["linear", "activation", "rescale", "dropout", "flatten", "reshape", "perceptron"]
    kind = draw(st.sampled_from(kinds + ["block"] * (depth > 0)))
    if kind == "block":
        return draw(stacks(features, depth - 1))
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
    plain = {
        "activation": activations, "flatten": st.just(tt.Flatten()),
        "dropout": st.builds(tt.Dropout, st.floats(0, 1)),
        "reshape": st.sampled_from([tt.Reshape(features), tt.Reshape((-1,))]),
    }  # fmt: skip
    return draw(plain[kind]), features


@st.composite
def stacks(draw, features, depth):
    """A Sequential for a batch of that many features, some layers named, and how many it makes of them."""
    model = tt.Sequential()
    for position in range(draw(st.integers(0, 4))):
        layer, features = draw(layers(features, depth))
        model.append((f"layer{position}", layer) if draw(st.booleans()) else layer)
    return model, features


def sequentials(depth=2):
    """Models that take (batch, 6)."""
    return stacks(FEATURES, depth).map(lambda pair: pair[0])
