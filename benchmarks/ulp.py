"""The largest error of each function over all floats: `python -m benchmarks.ulp [function …]`.

All 2^32 numbers of float32 go through ours and, in float64, through NumPy's or SciPy's, whose own errors are
2^-27 of what is measured. Prints the error, where it is and the bound that the docstring states; ends with
status 1 where a function is beyond its bound. About a minute a function on two cores.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, expit, ndtr

import tinytensor as tt
from benchmarks.machine import machine
from benchmarks.report import put
from benchmarks.tables import Table

FLOATS = 2**32
SPAN = 2**24  # bit patterns a task
CHUNK = 2**15  # floats at once: what NumPy makes of them in float64 stays in the L2 cache

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Function = Callable[[Floats], Any]


def last_place(x: Doubles, exact: Doubles) -> Doubles:
    """The distance of the float32 numbers around f(x): 2^(e - 23), between 2^-149 and 2^104."""
    power = (exact.view(np.int64) & 0x7FF0_0000_0000_0000).view(np.float64)
    return np.clip(power * 2.0**-23, 2.0**-149, 2.0**104)


def of_exponent(x: Doubles, exact: Doubles) -> Doubles:
    """The unit in the last place, times 1 + 2|z|, z the rounded argument of e^(2z) in GELU's form "tanh"."""
    with np.errstate(over="ignore"):
        z = np.minimum(np.abs(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)), 2.0**10)
    return last_place(x, exact) * (1 + 2 * np.where(x < 0, z, 0))


@dataclass(frozen=True)
class Claim:
    """|ours(x) - exact(x)| ≤ bound · unit(x, exact(x)) for every float32 x."""

    ours: Callable[[tt.Tensor], tt.Tensor]
    exact: Callable[[Doubles], Doubles]
    bound: float
    unit: Callable[[Doubles, Doubles], Doubles] = last_place


@tt.activation
def expm1(x):
    return math.expm1(x)


@tt.activation
def log1p(x):
    return math.log1p(x)


def times(x: Doubles, probability: Doubles) -> Doubles:
    """x · p, and 0 where p is."""
    return np.where(probability == 0, 0, x * probability)


def gelu_tanh(x: Doubles) -> Doubles:
    """½x(1 + tanh z) = x · sigmoid(2z), where nothing cancels."""
    return times(x, expit(math.sqrt(8 / math.pi) * (x + 0.044715 * x * x * x)))


def ours(claim: Claim) -> Function:
    """Our function, of arrays."""
    return lambda x: claim.ours(tt.Tensor(x))


CLAIMS = {
    "exp": Claim(tt.exp, np.exp, 1.0),
    "expm1": Claim(expm1, np.expm1, 1.5),
    "log": Claim(tt.log, np.log, 1.0),
    "log1p": Claim(log1p, np.log1p, 1.0),
    "tanh": Claim(tt.tanh, np.tanh, 1.0),
    "erf": Claim(tt.erf, erf, 1.0),
    "sqrt": Claim(tt.sqrt, np.sqrt, 0.5),
    "sigmoid": Claim(tt.sigmoid, expit, 2.0),
    "gelu": Claim(tt.gelu, lambda x: times(x, ndtr(x)), 2.0),
    "gelu_tanh": Claim(tt.GELU("tanh"), gelu_tanh, 3.0, of_exponent),
    "swish": Claim(tt.swish, lambda x: times(x, expit(x)), 3.0),
    "mish": Claim(tt.mish, lambda x: times(x, np.tanh(np.logaddexp(0, x))), 4.0),
    "softplus": Claim(tt.softplus, lambda x: np.logaddexp(0, x), 2.0),
}


def errors(claim: Claim, x: Floats, functions: list[Function]) -> list[Doubles]:
    """The error of each function for each x, in the claim's unit: 0 for NaN where NaN is right, ∞ where only
    one is NaN."""
    found = []
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        exact = claim.exact(wide)
        unit = claim.unit(wide, exact)
        for function in functions:
            y = np.asarray(function(x)).astype(np.float64)
            # an infinity in float32 stands for what follows the largest number, and all beyond
            y = np.where(np.isinf(y), np.copysign(np.fmax(np.abs(exact), 2.0**128), y), y)
            error = np.abs(y - exact) / unit
            right = (y == exact) | (np.isnan(y) & np.isnan(exact))
            found.append(np.where(right, 0, np.where(np.isnan(error), np.inf, error)))
    return found


def worst(claim: Claim, patterns: range, functions: list[Function]) -> list[tuple[float, np.float32]]:
    """The largest error of each function over the floats of those bit patterns, and where it is."""
    found: list[list[tuple[float, np.float32]]] = [[] for _ in functions]
    for first in range(0, len(patterns), CHUNK):
        part = patterns[first : first + CHUNK]
        x = np.arange(part.start, part.stop, part.step).astype(np.uint32).view(np.float32)
        for errors_found, error in zip(found, errors(claim, x, functions), strict=True):
            errors_found.append((float(error.max()), x[error.argmax()]))
    return [max(each, key=lambda pair: pair[0]) for each in found]


def bar(tasks: Iterable[Any], name: str) -> Iterable[Any]:
    """The tasks, with a progress bar on a terminal where rich is installed."""
    try:
        from rich.console import Console
        from rich.progress import track
    except ImportError:
        return tasks
    console = Console(stderr=True)
    return track(tasks, name, FLOATS // SPAN, console=console, disable=not sys.stderr.isatty())


def measure(name: str, others: list[Function] | None = None, step: int = 1) -> list[tuple[float, np.float32]]:
    """The largest error of our function, then of the others, over every `step`th float, a thread a core."""
    claim = CLAIMS[name]
    functions = [ours(claim), *(others or [])]
    spans = [range(first, first + SPAN, step) for first in range(0, FLOATS, SPAN)]
    functions[0](np.ones(1, np.float32))  # compiles it
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda span: worst(claim, span, functions), spans)
        each = list(zip(*bar(found, name), strict=True))
    return [max(pairs, key=lambda pair: pair[0]) for pairs in each]


def main(arguments: list[str] | None = None) -> int:
    """Measure the functions named, or all; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ulp", description=__doc__)
    parser.add_argument("functions", nargs="*", metavar="function", help=f"any of {', '.join(CLAIMS)}")
    names = parser.parse_args(arguments).functions or list(CLAIMS)
    if unknown := [name for name in names if name not in CLAIMS]:
        parser.error(f"no function {', '.join(unknown)}; there are {', '.join(CLAIMS)}")
    rows, failed = [], 0
    for name in names:
        begin = time.perf_counter()
        ((error, x),) = measure(name)
        beyond = error > CLAIMS[name].bound
        failed += beyond
        seconds = f"{time.perf_counter() - begin:.0f}"
        where = f"{x!s} = {int(x.view(np.uint32)):#010x}"
        rows.append(
            [name, f"{error:.4f}", f"{CLAIMS[name].bound}", "no" if beyond else "yes", where, seconds]
        )
        print(*rows[-1], file=sys.stderr, flush=True)
    put(Table("The machine", ["what", "is"], [[name, str(value)] for name, value in machine().items()]))
    head = ["function", "largest error", "bound", "kept", "where", "seconds"]
    put(Table("All 2^32 floats; errors in ULP, of gelu_tanh in 1 + 2|z| ULP", head, rows))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
