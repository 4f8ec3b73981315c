"""Errors of scalar functions in ULP, and of products, convolutions and softmax in units of derived bounds."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks.campaign.outcome import Effort, Outcome
from benchmarks.ulp import CLAIMS, FLOATS, measure

__all__ = ["bounds", "scalars"]

STEP = 4099  # of the quick form: a prime, so that all exponents and many patterns of the mantissa are met
SLEEF = {  # Sleef_NAMEf_u10 and Sleef_sqrtf_u05, the most exact that its reference lists
    "exp": "1.0", "expm1": "1.0", "log": "1.0", "log1p": "1.0", "tanh": "1.0", "erf": "1.0", "sqrt": "0.5001",
}  # fmt: skip
U = 2.0**-24


def numpys() -> dict[str, Callable[[Any], Any]]:
    """NumPy's functions of float32."""
    return {name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "tanh", "sqrt")}


def torchs() -> dict[str, Callable[[Any], Any]]:
    """PyTorch's functions of float32, where it is installed."""
    if importlib.util.find_spec("torch") is None:
        return {}
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)  # ours are a thread a core already
    found = {name: getattr(torch, name) for name in ("exp", "expm1", "log", "log1p", "tanh", "erf", "sqrt")}
    found |= {
        "sigmoid": torch.sigmoid, "gelu": functional.gelu, "swish": functional.silu, "mish": functional.mish,
        "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"), "softplus": functional.softplus,
    }  # fmt: skip
    return {name: lambda x, f=f: f(torch.from_numpy(x)).numpy() for name, f in found.items()}


def scalars(effort: Effort) -> Outcome:
    """Every scalar function over all floats, or every 4,099th."""
    outcome, rows, step = Outcome(), [], effort.of(STEP, 1)
    peers = {"NumPy": numpys(), "PyTorch": torchs()}
    for name, claim in CLAIMS.items():
        named = {peer: functions[name] for peer, functions in peers.items() if name in functions}
        (error, x), *others = measure(name, list(named.values()), step)
        count = outcome.count(f"{name}: at most {claim.bound} ULP")
        tried = sum(len(range(first, first + 2**24, step)) for first in range(0, FLOATS, 2**24))
        beyond = error > claim.bound
        count.right, count.wrong = (0 if beyond else tried), (tried if beyond else 0)
        count.note = f"at most {error:.4f}, at {x!s}"
        found = {peer: f"{most:.3g} (at {at:.6g})" for peer, (most, at) in zip(named, others, strict=True)}
        cells = [found.get(peer, "–") for peer in peers]
        rows.append([name, f"{claim.bound}", f"{error:.4f}", *cells, SLEEF.get(name, "–")])
    which = "every float32" if step == 1 else f"every {step:,}th float32"
    title = (
        f"Largest error in ULP over {which}; of gelu_tanh in 1 + 2|z| ULP. SLEEF: bounds that its reference "
        "(sleef.org/purec.xhtml) states for the functions ending in u10 and u05; inf: NaN or a wrong end"
    )
    outcome.tables.append((title, ["function", "our bound", "ours", *peers, "SLEEF's bound"], rows))
    return outcome


def gamma(k: int, u: float) -> float:
    """γ_k of Higham's Accuracy and Stability of Numerical Algorithms, section 3.1."""
    return k * u / (1 - k * u)


def bounds(effort: Effort) -> Outcome:
    """Random products, convolutions and softmaxes beside float64's or long double's."""
    outcome, rng = Outcome(), np.random.default_rng(1)
    times = effort.of(40, 2000)
    largest: dict[str, float] = {}
    trials = {"product": product, "convolution": convolution, "softmax": softmaxes}
    for name, trial in trials.items():
        for dtype in (np.float32, np.float64):
            count = outcome.count(f"{name}, {np.dtype(dtype).name}")
            for _ in range(times):
                share = trial(rng, dtype)
                largest[count.what] = max(largest.get(count.what, 0), float(np.max(share, initial=0)))
                wrong = int(np.count_nonzero(~(share <= 1)))
                count.wrong += wrong
                count.right += share.size - wrong
            count.note = f"largest error: {largest[count.what]:.3f} of the bound"
    return outcome


def drawn(rng: np.random.Generator, dtype: Any, *shape: int) -> Any:
    """Normal numbers of different scales."""
    scale = np.exp2(rng.integers(-8, 8, shape[-1]))
    return (rng.standard_normal(shape) * scale).astype(dtype)


def share_of(got: Any, exact: Any, bound: Any) -> Any:
    """The error in units of the bound; 0 where both are 0."""
    error = np.abs(got - exact).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error == 0, 0.0, error / bound.astype(np.float64))


def product(rng: np.random.Generator, dtype: Any) -> Any:
    """|C - AB| ≤ γ_k |A| |B|: k multiply-adds, each rounded once (Higham, section 3.5)."""
    m, k, n = (int(each) for each in rng.integers(1, 130, 3))
    a, b = drawn(rng, dtype, m, k), drawn(rng, dtype, k, n)
    u = U if dtype == np.float32 else 2.0**-53
    wide = np.longdouble
    exact = a.astype(wide) @ b.astype(wide)
    # the long double's own sums round too, by 2^-64 each
    bound = (gamma(k, u) + gamma(k, 2.0**-64)) * (np.abs(a).astype(wide) @ np.abs(b).astype(wide))
    return share_of((tt.Tensor(a) @ tt.Tensor(b)).numpy(), exact, bound)


def convolution(rng: np.random.Generator, dtype: Any) -> Any:
    """γ_(k+1) (|w| * |x| + |bias|), k = channels · 9 multiply-adds after the bias."""
    n, c, out = int(rng.integers(1, 4)), int(rng.integers(1, 9)), int(rng.integers(1, 20))
    h, w = (int(each) for each in rng.integers(3, 12, 2))
    x, weight, bias = drawn(rng, dtype, n, c, h, w), drawn(rng, dtype, out, c, 3, 3), drawn(rng, dtype, out)
    wide = np.longdouble
    patches = np.lib.stride_tricks.sliding_window_view(x.astype(wide), (3, 3), (2, 3))

    def summed(patches: Any, weight: Any, bias: Any) -> Any:
        y = np.einsum("nchwij,ocij->nohw", patches, weight)
        return y + bias[:, None, None]

    exact = summed(patches, weight.astype(wide), bias.astype(wide))
    sizes = summed(np.abs(patches), np.abs(weight).astype(wide), np.abs(bias).astype(wide))
    u = U if dtype == np.float32 else 2.0**-53
    got = tt.conv2d(tt.Tensor(x), tt.Tensor(weight), tt.Tensor(bias)).numpy()
    return share_of(got, exact, (gamma(9 * c + 1, u) + gamma(9 * c + 1, 2.0**-64)) * sizes)


def softmaxes(rng: np.random.Generator, dtype: Any) -> Any:
    """p (1 ± ε)(1 ± γ_n) / (1 ± ε) with ε the difference's rounding, |z| u, and 1 ULP = 2u of exp.

    z = x - max x rounds by u |z|, so e^z is off by a factor of at most e^(u|z|); exp by 2u more; the sum of
    n terms by γ_(n-1) beside its terms' errors; the division by u. Below the normal numbers an error is
    absolute: a numerator is off by half of the smallest number there, and the quotient by as much.
    """
    n, classes = int(rng.integers(1, 9)), int(rng.integers(1, 200))
    x = drawn(rng, dtype, n, classes)
    wide = x.astype(np.longdouble)
    z = wide - wide.max(axis=1, keepdims=True)
    e = np.exp(z)
    exact = e / e.sum(axis=1, keepdims=True)
    u, smallest = (U, 2.0**-149) if dtype == np.float32 else (2.0**-53, 2.0**-1074)
    relative = np.expm1(u * np.abs(z)) + 2 * u
    heavy = np.max(np.where(exact > 2.0**-60, relative, 0), axis=1, keepdims=True)
    allowed = (1 + relative) * (1 + u) / (1 - heavy - gamma(classes, u)) - 1
    return share_of(tt.softmax(tt.Tensor(x)).numpy(), exact, allowed * exact + 2 * smallest)
