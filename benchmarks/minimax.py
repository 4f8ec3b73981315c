"""Where the coefficients in `tinytensor/kernels/coefficients.py` come from: `python -m benchmarks.minimax`.

Lawson's algorithm, least squares with weights that grow where the error is large, finds the polynomial p
that minimises max w(x)·|f(x) - p(x)| on an interval. The coefficients are rounded to the dtype one by one,
from the lowest degree on, and after each rounding the others are fitted anew, so that they make up for
what the rounding lost.

Source: Lawson, Contributions to the theory of linear least maximum approximation, 1961.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpmath import cos, diff, erf, erfc, exp, linspace, log, log1p, lu_solve, matrix, mp, mpf, pi, sqrt

Function = Callable[[mpf], mpf]
POINTS_PER_COEFFICIENT = 5
LAWSON_STEPS = 12

mp.dps = 50


@dataclass(frozen=True)
class Fit:
    """Minimise max weight(x)·|target(x) - p(x)| for low ≤ x ≤ high, with `terms[dtype]` coefficients."""

    name: str
    target: Function
    weight: Function
    low: mpf
    high: dict[str, mpf]
    terms: dict[str, int]


def exponential_tail(r: mpf) -> mpf:
    """(e^r - 1 - r) / r²."""
    return sum(r**k / mp.factorial(k + 2) for k in range(30))


def logarithm_tail(f: mpf) -> mpf:
    """(log(1 + f) - f) / f²."""
    return (log1p(f) - f) / f**2 if abs(f) > mpf(10) ** -15 else -mpf(1) / 2 + f / 3


def erf_slope(square: mpf) -> mpf:
    """erf(x) / x - 1 as a function of x²."""
    x = sqrt(square)
    return (erf(x) / x if x else 2 / sqrt(pi)) - 1


def tail_ratio(w: mpf) -> mpf:
    """Φ(-t)·e^(t²/2)·(t + k) with w = (t - k) / (t + k)."""
    t = TAIL_CENTRE * (1 + w) / (1 - w)
    return erfc(t / sqrt(2)) / 2 * exp(t * t / 2) * (t + TAIL_CENTRE)


def tail_slope(w: mpf) -> mpf:
    """(tail_ratio(w) - tail_ratio(0)) / w; at 0 the derivative."""
    return (tail_ratio(w) - tail_ratio(mpf(0))) / w if abs(w) > mpf(10) ** -15 else diff(tail_ratio, 0)


TAIL_CENTRE = mpf(4)  # 26 terms do; near √(π/2), where the ratio is flat, 40 would be needed
TAIL_END = {"single": mpf(15), "double": mpf("39.5")}  # from there on x·Φ(x) is 0 in that dtype
FOLD = mpf("0.9375")  # where erf changes from one polynomial to the other
BOTH = log(2) / 2 * (1 + mpf(2) ** -10)
FITS = (
    Fit(
        "EXP", exponential_tail, lambda r: abs(r), -BOTH,
        {"single": BOTH, "double": BOTH}, {"single": 6, "double": 11},
    ),
    Fit(
        "LOG", logarithm_tail, lambda f: abs(f) + mpf(10) ** -6, sqrt(mpf(1) / 2) - 1,
        dict.fromkeys(("single", "double"), sqrt(mpf(2)) - 1), {"single": 9, "double": 20},
    ),
    Fit(
        "ERF_NEAR", erf_slope, lambda square: mpf(1), mpf(0),
        dict.fromkeys(("single", "double"), FOLD**2), {"single": 7, "double": 13},
    ),
    Fit(
        "ERF_FAR", lambda t: -log(erfc(t)) / t - 1, lambda t: t * erfc(t), FOLD,
        {"single": mpf(4), "double": mpf(6)}, {"single": 6, "double": 19},
    ),
    Fit(
        "TAIL", tail_slope, lambda w: abs(w) / tail_ratio(w) + mpf(10) ** -6, mpf(-1),
        {name: (t - TAIL_CENTRE) / (t + TAIL_CENTRE) for name, t in TAIL_END.items()},
        {"single": 10, "double": 25},
    ),
)  # fmt: skip


def fitted(target: list[mpf], weight: list[mpf], grid: list[mpf], powers: range) -> list[mpf]:
    """The coefficients of x^power for which the largest weighted error on the grid is least."""
    importance, best, least = [mpf(1)] * len(grid), [], mpf("inf")
    for _ in range(LAWSON_STEPS):
        roots = [sqrt(i) * w for i, w in zip(importance, weight, strict=True)]
        rows = matrix([[r * x**p for p in powers] for r, x in zip(roots, grid, strict=True)])
        right = matrix([r * t for r, t in zip(roots, target, strict=True)])
        found = list(lu_solve(rows.T * rows, rows.T * right))
        errors = [
            w * abs(t - sum(c * x**p for c, p in zip(found, powers, strict=True)))
            for x, t, w in zip(grid, target, weight, strict=True)
        ]
        if max(errors) < least:
            best, least = found, max(errors)
        importance = [i * e / least for i, e in zip(importance, errors, strict=True)]
    return best


def rounded(fit: Fit, dtype: str) -> tuple[list[float], mpf]:
    """The coefficients as numbers of the dtype, from the lowest degree on, and the error that they leave."""
    terms, round_to = fit.terms[dtype], {"single": np.float32, "double": np.float64}[dtype]
    middle, half = (fit.high[dtype] + fit.low) / 2, (fit.high[dtype] - fit.low) / 2
    grid = [middle - half * cos(pi * u) for u in linspace(0, 1, POINTS_PER_COEFFICIENT * terms)]
    target, weight = [fit.target(x) for x in grid], [fit.weight(x) for x in grid]
    fixed: list[float] = []
    for power in range(terms):
        lowest = fitted(target, weight, grid, range(power, terms))[0]
        fixed.append(float(round_to(float(lowest))))
        target = [t - fixed[-1] * x**power for t, x in zip(target, grid, strict=True)]
    return fixed, max(w * abs(t) for t, w in zip(target, weight, strict=True))


def main() -> None:
    """Print every table."""
    for fit in FITS:
        for dtype in ("single", "double"):
            coefficients, worst = rounded(fit, dtype)
            digits = 9 if dtype == "single" else 17
            print(f"{fit.name}_{dtype.upper()} = (  # off by 2^{float(log(worst, 2)):.1f}")
            print(*(f"    {c:.{digits}g}," for c in coefficients), ")", sep="\n", flush=True)


if __name__ == "__main__":
    main()
