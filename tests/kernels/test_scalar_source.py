"""What a scalar function must not do, and what its compiled code was made of."""

import math
import types

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import same
from tinytensor.kernels.scalar_source import reads, still

TABLE = (1.0, 2.0, 4.0)


def down(x):
    return x if x <= 0 else down(x - 1) + 1


def even(x):
    return x if x <= 0 else odd(x - 1)


def odd(x):
    return x if x <= 0 else even(x - 1)


def raises(x):
    if x < 0:
        raise ValueError("negative")
    return x


def through(x):
    return raises(x) + 1


def looks_up(x):
    return TABLE[int(x)]


@tt.activation
def own(x):
    return own(x - 1)


@pytest.mark.parametrize("function", [down, even, own.scalar], ids=lambda function: function.__name__)
def test_recursion_is_refused_fused_and_unfused(function):
    for call in calls_of(function, np.ones((70, 3), np.float32)):
        with pytest.raises(tt.ArgumentError, match=rf"{function.__name__}: .*calls itself"):
            call()


RAISE = {raises: ValueError, through: ValueError, looks_up: IndexError}


@pytest.mark.parametrize("function", RAISE, ids=lambda function: function.__name__)
def test_what_a_function_raises_is_raised_fused_and_unfused(function):
    for call in calls_of(function, np.full((70, 3), -9, np.float32)):
        with pytest.raises(RAISE[function]):
            call()


def calls_of(function, x):
    """Every way to a function's compiled code; x reaches it as it is."""
    activation = tt.activation(function)
    model = tt.Sequential(tt.Linear.of(np.eye(3)), activation, tt.Linear(3, 2, seed=1))
    return (
        lambda: activation(x), lambda: model(x), lambda: model(x, fused=False), lambda: model.predict(x),
    )  # fmt: skip


def test_loops_constants_and_integer_divisions_are_no_reason():
    @tt.activation
    def fine(x):
        y = x
        for _ in range(3):
            y = y * 0.5 + TABLE[1]
        return y + 7 // 2

    same(fine(np.float32([1.0])).numpy(), np.float32([6.625]))

    @tt.activation
    def divides(x):
        return 7 // int(x)

    assert divides(np.float32([2.0, 0.0])).tolist() == [3.0, math.inf]


def test_everything_that_is_read_is_listed():
    factor = 2.0

    def inner(x):
        return x * factor + TABLE[0]

    def outer(x):
        return inner(x) + math.exp(x)

    listed = reads(outer)
    assert [read.value for read in listed if not callable(read.value)] == [2.0, TABLE]
    assert still(listed)
    factor = 2.0 + 0.0
    assert still(listed)
    factor = -0.0
    assert not still(listed)


def test_a_function_made_by_exec():
    space = {"math": math}
    exec("def bump(x, b=1.0):\n    return math.exp(-x * x) * b", space)
    bump = tt.activation(space["bump"])
    same(bump(np.float32([0.0])).numpy(), np.float32([1.0]))
    model = tt.Sequential(tt.Linear(2, 2, seed=0), bump(b=2.0))
    x = np.ones((3, 2), np.float32)
    same(model(x), model(x, fused=False))


def test_a_module_is_named_with_its_attribute():
    settings = types.ModuleType("settings")
    settings.factor = 2.0

    @tt.activation
    def fine(x):
        return x * settings.factor

    @tt.activation
    def local(x):
        module = settings
        return x * module.factor

    x = np.float32([3.0])
    same(fine(x).numpy(), np.float32([6.0]))
    settings.factor = 4.0
    same(fine(x).numpy(), np.float32([12.0]))
    for call in calls_of(local.scalar, np.ones((2, 3), np.float32)):
        with pytest.raises(
            tt.ArgumentError, match=r"local: it uses the module settings as a value; .*settings\.name"
        ):
            call()


def test_a_builtin_that_a_global_hides_is_noticed(monkeypatch):
    @tt.activation
    def larger(x):
        return max(x, 2.0)

    x = np.float32([1.0, 3.0])
    same(larger(x).numpy(), np.float32([2.0, 3.0]))
    monkeypatch.setitem(globals(), "max", min)
    same(larger(x).numpy(), np.float32([1.0, 2.0]))


def test_two_functions_of_one_code_may_call_each_other():
    def scaled(function, factor):
        def call(x):
            return function(x) * factor

        return call

    twice = tt.activation(scaled(scaled(math.exp, 2.0), 3.0))
    same(twice(np.float32([0.0])).numpy(), np.float32([6.0]))


def test_more_names_than_an_argument_counts():
    """Names after the first 256 have a prefix in bytecode."""
    settings = types.ModuleType("settings")
    settings.factor = 2.0
    space = {f"name_{i}": 1.0 for i in range(300)} | {"settings": settings}
    body = " * ".join(["x", *(f"name_{i}" for i in range(300)), "settings.factor"])
    exec(f"def many(x):\n    return {body}", space)
    many = tt.activation(space["many"])
    same(many(np.float32([1.0])).numpy(), np.float32([2.0]))
    settings.factor = 3.0
    same(many(np.float32([1.0])).numpy(), np.float32([3.0]))


def shown(x):
    print(x)
    return x


def shows(x):
    return shown(x) + 1


@pytest.mark.parametrize("function", [shown, shows])
def test_what_prints_is_refused_fused_and_unfused(function):
    """Compiled, it would wait for ever for the lock of Python's interpreter."""
    for call in calls_of(function, np.ones((70, 3), np.float32)):
        with pytest.raises(tt.ArgumentError, match=rf"{function.__name__}: .*it prints, .*print what it ret"):
            call()
