"""The core's promises, measured: `python -m benchmarks.core [--quick] [--json FILE]`.

Prints both sides and their ratio for the matrix product, three activations, the import and the first run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.harness import (
    Ratio,
    child_environment,
    geometric_mean,
    interleave,
    machine,
    seconds_per_call,
    show,
    workers,
)

SQUARES = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
LAYERS = ((784, 50), (50, 100), (100, 10))
BATCHES = (1, 100, 1000)
SIZES = (16_384, 1_048_576)

Call = Callable[[], Any]


@dataclass(frozen=True)
class Product:
    """A @ B in float32: (m, k) @ (k, n), standard normal numbers."""

    m: int
    k: int
    n: int

    @property
    def name(self) -> str:
        return f"({self.m}, {self.k}) @ ({self.k}, {self.n})"

    @property
    def work(self) -> tuple[float, str]:
        return 2 * self.m * self.k * self.n, "GFLOP/s"

    def operands(self) -> tuple[Any, Any]:
        import numpy as np

        rng = np.random.default_rng(self.m * self.k * self.n)
        a, b = rng.standard_normal((self.m, self.k)), rng.standard_normal((self.k, self.n))
        return a.astype(np.float32), b.astype(np.float32)

    def ours(self) -> dict[str, Call]:
        import tinytensor as tt

        a, b = map(tt.Tensor, self.operands())
        return {"A @ B": lambda: a @ b}

    def theirs(self) -> dict[str, Call]:
        a, b = self.operands()
        return {"A @ B": lambda: a @ b}

    def error(self, answer: Any) -> float:
        """Max |C - AB| / (γ_k |A||B|) with γ_k = k·u / (1 - k·u), u = 2^-24, against a float64 product."""
        import numpy as np

        a, b = (operand.astype(np.float64) for operand in self.operands())
        gamma = self.k * 2.0**-24 / (1 - self.k * 2.0**-24)
        return float(np.max(np.abs(np.asarray(answer) - a @ b) / (gamma * (np.abs(a) @ np.abs(b)))))


@dataclass(frozen=True)
class Map:
    """An activation over normal float32 numbers of standard deviation 3."""

    activation: str
    size: int

    @property
    def name(self) -> str:
        return f"{self.activation}, {self.size:,} floats"

    @property
    def work(self) -> tuple[float, str]:
        return self.size, "Gelem/s"

    def operand(self) -> Any:
        import numpy as np

        return (3 * np.random.default_rng(self.size).standard_normal(self.size)).astype(np.float32)

    def ours(self) -> dict[str, Call]:
        import tinytensor as tt

        x, layer = tt.Tensor(self.operand()), tt.activations.get(self.activation)
        return {f"tt.{self.activation}(x)": lambda: layer(x)}

    def theirs(self) -> dict[str, Call]:
        return expressions(self.activation, self.operand())

    def error(self, answer: Any) -> float:
        """Max |y - f(x)| in units of float32's last place at f(x), against float64."""
        import numpy as np

        exact = expressions(self.activation, self.operand().astype(np.float64))
        reference = next(iter(exact.values()))()
        ulp = np.spacing(np.abs(reference).astype(np.float32)).astype(np.float64)
        return float(np.max(np.abs(np.asarray(answer) - reference) / ulp))


def expressions(activation: str, x: Any) -> dict[str, Call]:
    """What a careful user of NumPy and SciPy could write, the most accurate first; `y` is kept."""
    import numpy as np
    from scipy.special import erf, expit, ndtr

    y, one, half, root = np.empty_like(x), *map(x.dtype.type, (1, 0.5, 0.5**0.5))

    def logistic_in_place() -> Any:
        np.negative(x, out=y)
        np.exp(y, out=y)
        np.add(y, one, out=y)
        return np.reciprocal(y, out=y)

    def half_tanh_in_place() -> Any:
        np.multiply(x, half, out=y)
        np.tanh(y, out=y)
        np.multiply(y, half, out=y)
        return np.add(y, half, out=y)

    def swish_in_place() -> Any:
        np.negative(x, out=y)
        np.exp(y, out=y)
        np.add(y, one, out=y)
        return np.divide(x, y, out=y)

    def gelu_in_place() -> Any:
        np.multiply(x, root, out=y)
        erf(y, out=y)
        np.add(y, one, out=y)
        np.multiply(y, half, out=y)
        return np.multiply(x, y, out=y)

    return {
        "sigmoid": {
            "expit(x)": lambda: expit(x),
            "expit(x, out=y)": lambda: expit(x, out=y),
            "1 / (1 + exp(-x))": lambda: one / (one + np.exp(-x)),
            "1 / (1 + exp(-x)) in place": logistic_in_place,
            "½(1 + tanh(x/2)) in place": half_tanh_in_place,
        },
        "swish": {
            "x * expit(x)": lambda: x * expit(x),
            "x * expit(x, out=y) in place": lambda: np.multiply(x, expit(x, out=y), out=y),
            "x / (1 + exp(-x))": lambda: x / (one + np.exp(-x)),
            "x / (1 + exp(-x)) in place": swish_in_place,
            "x * ½(1 + tanh(x/2)) in place": lambda: np.multiply(x, half_tanh_in_place(), out=y),
        },
        "gelu": {
            "x * ndtr(x)": lambda: x * ndtr(x),
            "x * ndtr(x, out=y) in place": lambda: np.multiply(x, ndtr(x, out=y), out=y),
            "x * ½(1 + erf(x/√2))": lambda: x * (half * (one + erf(x * root))),
            "x * ½(1 + erf(x/√2)) in place": gelu_in_place,
        },
    }[activation]


Case = Product | Map
CASES: tuple[Case, ...] = (
    *(Product(n, n, n) for n in SQUARES),
    *(Product(batch, k, n) for batch in BATCHES for k, n in LAYERS),
    *(Map(activation, size) for activation in ("sigmoid", "swish", "gelu") for size in SIZES),
)


@cache
def fastest(case: Case, side: str) -> tuple[str, Call]:
    """In a worker: that side's fastest expression, and its name."""
    candidates = getattr(case, side)()
    if len(candidates) == 1:
        return next(iter(candidates.items()))  # type: ignore[no-any-return]
    times = {name: min(seconds_per_call(call, 0.005) for _ in range(5)) for name, call in candidates.items()}
    best = min(times, key=times.__getitem__)
    return best, candidates[best]


def measure(case: Case, side: str, at_least: float) -> float:
    """In a worker: seconds per call."""
    return seconds_per_call(fastest(case, side)[1], at_least)


def describe(case: Case, side: str) -> tuple[str, float]:
    """In a worker: the expression, and its error."""
    name, call = fastest(case, side)
    return name, case.error(call())


def row(name: str, ratio: Ratio, **more: Any) -> dict[str, Any]:
    """One line of the report; seconds are medians."""
    return {
        "case": name,
        "ours": statistics.median(ratio.ours),
        "theirs": statistics.median(ratio.theirs),
        "ratio": ratio.median,
        "quartiles": list(ratio.quartiles),
        "noisy": ratio.noisy,
        **more,
    }


def cases(chosen: tuple[Case, ...], rounds: int, at_least: float) -> Iterator[dict[str, Any]]:
    """Measure each case, A B A B …, and its error on both sides."""
    with workers(2) as (ours, theirs):
        yield theirs(machine)
        for case in chosen:
            (_, error), (expression, their_error) = (
                ours(describe, case, "ours"),
                theirs(describe, case, "theirs"),
            )
            ratio = interleave(
                lambda case=case: ours(measure, case, "ours", at_least),
                lambda case=case: theirs(measure, case, "theirs", at_least),
                rounds,
            )
            found = row(case.name, ratio, expression=expression, error=error, their_error=their_error)
            amount, found["unit"] = case.work
            yield found | {f"{side}_speed": amount / found[side] / 1e9 for side in ("ours", "theirs")}


def process_seconds(*arguments: str, **environment: str) -> float:
    """Wall time of a whole Python process."""
    command = [sys.executable, *arguments]
    begin = time.perf_counter()
    ended = subprocess.run(
        command,
        env=child_environment() | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    elapsed = time.perf_counter() - begin
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{ended.stderr}")
    return elapsed


def imports(rounds: int) -> dict[str, Any]:
    """Whole processes: `import tinytensor` against `import numba`."""
    ours, theirs = ("-c", "import tinytensor"), ("-c", "import numba")
    process_seconds(*ours), process_seconds(*theirs)
    ratio = interleave(lambda: process_seconds(*ours), lambda: process_seconds(*theirs), rounds)
    added = statistics.median(ours - theirs for ours, theirs in zip(ratio.ours, ratio.theirs, strict=True))
    return row("import tinytensor, import numba", ratio, added=added)


def first_runs(rounds: int) -> dict[str, Any]:
    """Whole processes: `tinytensor mnist` with an empty kernel cache, and again with what that left there."""
    command = ("-c", "import sys, tinytensor.cli; sys.exit(tinytensor.cli.main())", "mnist")
    with tempfile.TemporaryDirectory() as cache_folder:
        runs = [process_seconds(*command, TINYTENSOR_CACHE=cache_folder) for _ in range(1 + rounds)]
    return {"case": "tinytensor mnist", "first": runs[0], "second": statistics.median(runs[1:])}


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures that the project promises, from the rows."""
    ratios = {unit: [r["ratio"] for r in results if r.get("unit") == unit] for unit in ("GFLOP/s", "Gelem/s")}
    products, maps = ratios["GFLOP/s"], ratios["Gelem/s"]
    found: dict[str, Any] = {}
    if products:
        found["A @ B: geometric mean (promised ≥ 1.0)"] = f"{geometric_mean(products):.2f}"
        found["A @ B: smallest ratio (promised ≥ 0.85)"] = f"{min(products):.2f}"
    if maps:
        found["activations: smallest ratio (promised ≥ 2)"] = f"{min(maps):.2f}"
    for result in results:
        if "added" in result:
            found["import beyond numba (promised ≤ 50 ms)"] = f"{1e3 * result['added']:.0f} ms"
        if "first" in result:
            found["first run ever (promised < 30 s)"] = f"{result['first']:.1f} s"
            found["second run (promised < 3 s)"] = f"{result['second']:.2f} s"
    return found


def line(result: dict[str, Any]) -> list[str]:
    """A row as text: who, ours, theirs, ratio with its quartiles, both errors, the expression that we met."""
    if "ours_speed" in result:
        ours, theirs = (f"{result[f'{side}_speed']:.4g}" for side in ("ours", "theirs"))
    else:
        ours, theirs = (f"{1e3 * result[side]:.0f}" for side in ("ours", "theirs"))
    low, high = result["quartiles"]
    spread = f"{low:.2f}–{high:.2f}" + (" too noisy to judge" if result["noisy"] else "")
    errors = [f"{result[name]:.2g}" if name in result else "" for name in ("error", "their_error")]
    unit = result.get("unit", "ms")
    return [
        result["case"],
        ours,
        theirs,
        unit,
        f"{result['ratio']:.2f}",
        spread,
        *errors,
        result.get("expression", ""),
    ]


HEAD = ["case", "ours", "theirs", "unit", "ratio", "middle half", "error", "theirs", "their expression"]


def main(arguments: list[str] | None = None) -> None:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.core", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few cases and rounds: shows that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    options = parser.parse_args(arguments)
    chosen = CASES[:2] + CASES[11:13] + CASES[20::2] if options.quick else CASES
    rounds, at_least = (3, 0.002) if options.quick else (15, 0.02)

    found = cases(chosen, rounds, at_least)
    host = next(found)
    show("The machine", ["what", "is"], [[name, value] for name, value in host.items()])
    results = []
    for done, result in enumerate(found, 1):
        print(f"{done} of {len(chosen)}: {' '.join(line(result)[:5])}", file=sys.stderr, flush=True)
        results.append(result)
    results += [imports(rounds), first_runs(1 if options.quick else 5)]
    print(file=sys.stderr)
    show("Float32, one thread; error of A @ B in γ_k|A||B|, of activations in ULP", HEAD,
         [line(result) for result in results if "ratio" in result])  # fmt: skip
    show("Promises", ["what", "measured"], [list(pair) for pair in summary(results).items()])
    if options.json:
        text = json.dumps({"machine": host, "results": results, "promises": summary(results)}, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
        print(f"written: {options.json}")


if __name__ == "__main__":
    main()
