"""Random nets, each run fused, unfused and by a plain-loop oracle: `python -m tests.random_nets --count N`.

Net i holds a layer of kind i mod (number of kinds), so that no kind is drawn by chance only; the others, the
parameters, the samples, their dtype and layout are random. Fused and unfused outputs must have the same bits,
for the batch and for a part of it; a few samples are compared with the oracle within the bound of rounding
errors. Prints how often every kind and parameter was drawn; ends with status 1 if anything differed.
"""

import argparse
import sys
from collections import Counter

import numpy as np

import tinytensor as tt
from tests.custom import Residual, squareplus
from tests.oracle import ELEMENTWISE, evaluate
from tests.rounding import error_bound
from tinytensor.operators import activations as other

PARAMETERS = {  # of activations, drawn between
    "negative_slope": (-2, 2), "alpha": (0.25, 2), "beta": (-2, 2), "gamma": (-2, 2), "low": (-2, 0.5),
    "high": (0.5, 3),
}  # fmt: skip
WITHOUT_ORACLE = ("custom_activation", "custom_layer")
LAYERS = (
    "linear", "linear64", "perceptron", "rescale", "rescale_vector", "rescale_vector64", "batch_norm",
    "layer_norm", "prelu", "dropout", "flatten", "reshape", "softmax", "log_softmax", "block",
)  # fmt: skip
KINDS = (*LAYERS, *WITHOUT_ORACLE, *ELEMENTWISE)
DTYPES = ("f4", "f4", "f4", "f8", "u1", "i1", "u2", "u4", "i8", "?", ">f4", "f2")
SIZES = (0, 1, 2, 3, 7, 16, 17, 33, 65, 130)
ORACLE_SAMPLES = 2


def floats(rng, *shape, dtype=np.float32):
    """Normal numbers, some of them 0 and -0."""
    x = rng.standard_normal(shape)
    chance = rng.random(shape)
    return np.where(chance < 0.1, 0.0, np.where(chance < 0.13, -0.0, x)).astype(dtype)


def activation(rng, name, drawn):
    """An activation with random parameters, or the one by default."""
    cls = getattr(tt, name, None) or getattr(other, name)
    if name == "GELU":
        given = {"approximate": str(rng.choice(["none", "tanh"]))}
    else:
        given = {key: float(rng.uniform(*PARAMETERS[key])) for key in cls().config()}
    if rng.random() < 0.2:
        given = {}
    drawn.update(f"{name}({key})" for key in given)
    return cls(**given)


def layer(rng, kind, n, drawn, depth=1):
    """A layer of that kind for n features, and how many it makes of them."""
    drawn[kind] += 1
    outs = int(rng.integers(1, 40))
    dtype = np.float64 if kind.endswith("64") else np.float32
    if kind.startswith("linear"):
        bias = floats(rng, outs, dtype=dtype) if rng.random() < 0.7 else None
        drawn[f"bias={bias is not None}"] += 1
        return tt.Linear.of(floats(rng, outs, n, dtype=dtype), bias), outs
    if kind == "perceptron":
        return tt.Perceptron(floats(rng, outs, n), floats(rng, outs)), outs
    if kind == "block":
        return chain(rng, n, [rng.choice(KINDS) for _ in range(rng.integers(0, 4))], drawn, depth - 1)
    made = {
        "rescale": lambda: tt.Rescale(*map(float, rng.uniform(-2, 2, 2))),
        "rescale_vector": lambda: tt.Rescale(floats(rng, n), floats(rng, n) if rng.random() < 0.5 else 0.5),
        "rescale_vector64": lambda: tt.Rescale(floats(rng, n, dtype=dtype), floats(rng, n)),
        "batch_norm": lambda: tt.BatchNorm(
            floats(rng, n),
            floats(rng, n),
            floats(rng, n),
            np.abs(floats(rng, n)) + 0.1,
            eps=float(rng.choice([1e-5, 1e-3])),
            axis=int(rng.choice([1, -1])),
        ),
        "layer_norm": lambda: tt.LayerNorm(
            floats(rng, n), floats(rng, n) if rng.random() < 0.5 else None, 0.1
        ),
        "prelu": lambda: tt.PReLU(floats(rng, n if rng.random() < 0.5 else 1)),
        "dropout": lambda: tt.Dropout(float(rng.random())),
        "flatten": tt.Flatten,
        "reshape": lambda: tt.Reshape(n if rng.random() < 0.5 else -1),
        "softmax": lambda: tt.Softmax(int(rng.choice([-1, 1]))),
        "log_softmax": lambda: tt.LogSoftmax(int(rng.choice([-1, 1]))),
        "custom_activation": lambda: squareplus(b=float(rng.uniform(0, 4))),
        "custom_layer": lambda: Residual(tt.Linear.of(floats(rng, n, n))),
    }.get(kind, lambda: activation(rng, kind, drawn))()
    for key, value in made.config().items() if type(made).__module__.startswith("tinytensor") else ():
        if isinstance(value, bool | int | str):
            drawn[f"{type(made).__name__}.{key}={value}"] += 1
    return made, n


def chain(rng, n, kinds, drawn, depth=1):
    """A Sequential of layers of these kinds, and how many features it makes of n."""
    model = tt.Sequential()
    for kind in kinds:
        if kind != "block" or depth:
            each, n = layer(rng, kind, n, drawn, depth)
            model.append(each)
    return model, n


def samples(rng, count, n, drawn):
    """A batch of a random dtype and layout, and how it lies."""
    dtype = np.dtype(str(rng.choice(DTYPES)))
    drawn[f"dtype {dtype}"] += 1
    if dtype.kind == "f":
        x = floats(rng, count, n, dtype=np.float64).astype(dtype)
    else:
        x = rng.integers(-5 * (dtype.kind == "i"), 6, (count, n)).astype(dtype)
    layout = str(rng.choice(["C", "F", "reversed", "strided"]))
    drawn[f"layout {layout}"] += 1
    if layout == "F":
        return np.asfortranarray(x)
    if layout == "reversed":
        return x[::-1].copy()[::-1]
    return np.repeat(x, 2, axis=0)[::2] if layout == "strided" else x


def bits(x):
    """Floats as bytes, every NaN as one."""
    x = np.asarray(x)
    return x.dtype, x.shape, np.where(np.isnan(x), np.array(np.nan, x.dtype), x).tobytes()


def has_oracle(model):
    """Whether the oracle knows every layer."""
    return all(has_oracle(each) if isinstance(each, tt.Sequential) else known(each) for each in model)


def known(each):
    """Whether the oracle knows a layer; a user's has a class of its own."""
    return type(each).__module__.startswith("tinytensor")


def beyond(model, x, y):
    """The largest error of a few samples in units of what is allowed, 0 where the bound says nothing."""
    some = tt.Tensor(x[:ORACLE_SAMPLES].astype(np.float32) if x.dtype == bool else x[:ORACLE_SAMPLES])
    with np.errstate(all="ignore"):
        allowed = 2 * error_bound(model, some.numpy())
    worst = 0.0
    for sample, got, bound in zip(some.numpy().astype(float).tolist(), y, allowed, strict=False):
        error = np.abs(np.array(evaluate(model, sample)) - got.astype(float))
        told = np.isfinite(bound) & np.isfinite(got) & (error > 0)
        worst = max(worst, float(np.max(error[told] / np.maximum(bound[told], 5e-324), initial=0)))
    return worst


def check(seed, drawn):
    """What is wrong with the net of that number, or nothing."""
    rng = np.random.default_rng(seed)
    kinds = [KINDS[seed % len(KINDS)], *rng.choice(KINDS, rng.integers(0, 5))]
    rng.shuffle(kinds)
    n = int(rng.integers(1, 40))
    model, _ = chain(rng, n, kinds, drawn)
    x = samples(rng, int(rng.choice(SIZES)), n, drawn)
    fused, unfused = model(x).numpy(), model(x, fused=False).numpy()
    if bits(fused) != bits(unfused):
        return f"fused and unfused differ: {model!r}"
    first, last = sorted(rng.integers(0, len(x) + 1, 2))
    threads = int(rng.integers(1, 4))
    if bits(model.predict(x[first:last], threads=threads)) != bits(unfused[first:last]):
        return f"samples {first} to {last} differ alone: {model!r}"
    if has_oracle(model) and unfused.dtype.kind == "f":
        drawn["oracle"] += 1
        error = beyond(model, x, unfused)
        if not error <= 1 + 2.0**-20:
            return f"{error:.3g} times the bound of rounding errors: {model!r}"
    return None


def run(count, first=0):
    """The faults of so many nets, by number, and how often everything was drawn."""
    drawn, faults = Counter(), {}
    for seed in range(first, first + count):
        try:
            fault = check(seed, drawn)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            faults[seed] = fault
    return faults, drawn


def main(arguments=None):
    """Run the nets; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.random_nets", description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args(arguments)
    faults, drawn = run(given.count, given.first)
    for name, times in sorted(drawn.items()):
        print(f"{times:8,} {name}")
    for seed, fault in list(faults.items())[:20]:
        print(f"net {seed}: {fault}")
    print(f"{given.count:,} nets, {drawn['oracle']:,} of them with the oracle, {len(faults):,} wrong")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
