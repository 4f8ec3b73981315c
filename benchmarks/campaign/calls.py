"""Calls with arguments of every kind, drawn by Hypothesis: each ends in an answer or in an error of ours."""

import contextlib
import inspect
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import tinytensor as tt
from benchmarks.campaign.outcome import Count, Effort, Outcome
from tinytensor.errors import TinyTensorError

__all__ = ["calls", "public"]

EACH = 20  # calls of an example
LEFT_OUT = {
    "set_num_threads": "changes what later calls do", "warmup": "compiles everything",
    "from_torch": "imports PyTorch", "to_torch": "imports PyTorch",
    "verify": "runs two models on whatever comes",
    "forward": "takes what a call has made a Tensor",
    "profile": "takes as many seconds as it is told, even 1e300",
}  # fmt: skip
PLAIN = settings(
    phases=(Phase.generate,), deadline=None, database=None, derandomize=False,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def public() -> dict[str, Callable[..., Any]]:
    """Everything of the package that can be called, methods of Tensors and of layers included."""
    found = {name: getattr(tt, name) for name in dir(tt) if not name.startswith("_")}
    found |= {f"initializers.{name}": getattr(tt.initializers, name) for name in tt.initializers.__all__}
    model = tt.Sequential(tt.Linear(3, 2, seed=0), tt.relu)
    tensor = tt.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
    for owner, name in ((tensor, "Tensor"), (model, "Sequential"), (model[0], "Linear")):
        for attribute in dir(type(owner)):
            if not attribute.startswith("_"):
                found[f"{name}.{attribute}"] = getattr(owner, attribute)
    return {
        name: each
        for name, each in found.items()
        if callable(each)
        and not (isinstance(each, type) and issubclass(each, BaseException))
        and not inspect.isabstract(each)
        and not name.endswith((".forward", ".profile"))
        and name not in LEFT_OUT
    }


def binds(function: Callable[..., Any], values: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Whether Python itself accepts the arguments."""
    try:
        inspect.signature(function).bind(*values, **named)
    except TypeError:
        return False
    except ValueError:  # no signature is known
        return True
    return True


def names_of(function: Callable[..., Any]) -> list[str]:
    """The parameters that may be named."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [each.name for each in parameters if each.kind in kinds]


def one(count: Count, name: str, function: Callable[..., Any], values: Any, named: Any, x: Any) -> None:
    """Make one call; a layer that comes of it is called too."""
    if not binds(function, values, named):
        count.refused += 1
        return
    try:
        y = function(*values, **named)
        if isinstance(y, tt.Layer):
            repr(y)
            y = y(x)
    except (TinyTensorError, OSError):  # a file that is not there
        count.refused += 1
    except Exception as error:
        given = f"{values!r:.150}, {named!r:.80}, {x!r:.60}"
        count.add(False, f"{name}({given}): {type(error).__name__}: {error!s:.100}")
        with contextlib.suppress(OSError), open(os.environ.get("CALLS_LOG", os.devnull), "a") as log:
            log.write(f"{name}\t{type(error).__name__}: {error!s:.200}\t{given}\n")
    else:
        count.add(True)


def calls(effort: Effort) -> Outcome:
    """Half of the calls are compared with NumPy's answers, half are of any public name."""
    from tests.test_bad_calls import CALLS, arguments, check

    outcome, tried = Outcome(), effort.of(2000, 100_000)
    functions = public()
    compared = outcome.count("functions whose answer NumPy knows")
    anything = outcome.count(f"{len(functions)} public names")
    names = st.sampled_from(sorted(functions))

    @settings(PLAIN, max_examples=tried // 2 // EACH)
    @given(st.lists(st.tuples(st.sampled_from(CALLS), *[arguments] * 3), min_size=EACH, max_size=EACH))
    def with_numpy(several: Any) -> None:
        for call, *values in several:
            try:
                check(call, values[: call.count])
            except Exception as error:
                compared.add(False, f"{call.name} of {values[: call.count]!r:.150}: {error!r:.100}")
            else:
                compared.add(True)

    @settings(PLAIN, max_examples=tried // 2 // EACH)
    @given(st.lists(st.tuples(names, *[arguments] * 4, st.integers(0, 3), st.integers(0, 99)),
                    min_size=EACH, max_size=EACH))  # fmt: skip
    def of_anything(several: Any) -> None:
        for name, *values, x, positional, which in several:
            function = functions[name]
            known = names_of(function)
            named = {known[which % len(known)]: values[-1]} if known and which % 3 == 0 else {}
            one(anything, name, function, tuple(values[:positional]), named, x)

    before = os.getcwd()
    os.chdir(effort.scratch)  # what is saved by a call lands there
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            with_numpy()
            of_anything()
    finally:
        os.chdir(before)
    outcome.left_out += [f"{name}: {why}" for name, why in LEFT_OUT.items()]
    return outcome
