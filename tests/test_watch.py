"""However a forward names what it reads, in the bytecode of any Python: a change is seen, or it is not fused.

Each forward below reads one number in its own way. The number changes between two calls, and the second
result is the new one. Those of FUSED must also be one program, those of EAGER none.
"""

import builtins
import dis
import math
import sys
import types

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import same
from tinytensor.inference import watch

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
FACTOR = 2.0
settings = types.ModuleType("settings")
settings.factor = 2.0
settings.inner = types.ModuleType("inner")
settings.inner.factor = 2.0
sys.modules["settings_of_test_watch"] = settings
backend = math


class Base(tt.Layer):
    factor = 2.0


def layer_of(body):
    """A layer whose forward has these lines; made here, as a file may not have syntax of a newer Python."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    exec(f"class Made(Base):\n    def forward(self, x):\n{lines}", globals())
    return globals()["Made"]()


def closures(number):
    """A function, and how to change the variable that it encloses."""

    def scaled(x):
        return x * number

    def change(value):
        nonlocal number
        number = value

    return scaled, change


first, _ = closures(1.0)
second, change_second = closures(2.0)  # of the same code, with a variable of its own


def number(patch):
    patch.setitem(globals(), "FACTOR", 3.0)


def module_number(patch):
    patch.setattr(settings, "factor", 3.0)


def module(patch):
    patch.setitem(globals(), "settings", types.SimpleNamespace(factor=3.0))


many = "\n".join(f"x = x * name_{i}" for i in range(300))  # arguments over 255 have a prefix of their own
globals().update({f"name_{i}": 1.0 for i in range(300)})

FUSED = {
    "many names": (f"{many}\nreturn x * settings.factor", module_number),
    "many names, a global": (f"{many}\nreturn x * FACTOR", number),
    "comprehension": ("return tt.concatenate([x * FACTOR for _ in range(2)], axis=1)", number),
    "comprehension of a module": ("return sum([x * settings.factor for _ in range(2)])", module_number),
    "nested comprehensions": ("return sum([sum([x * FACTOR for _ in range(2)]) for _ in range(2)])", number),
    "comprehension that hides a name": ("k = x\n[k for k in range(2)]\nreturn k * FACTOR", number),
    "dict comprehension": ("return sum({k: x * FACTOR for k in range(2)}.values())", number),
    "set comprehension": ("return x * sum({k * FACTOR for k in range(3)})", number),
    "generator": ("return sum(x * FACTOR for _ in range(2))", number),
    "lambda": ("return (lambda z: z * FACTOR)(x)", number),
    "lambda in a comprehension": ("return sum([(lambda z: z * FACTOR)(x) for _ in range(2)])", number),
    "function inside": ("def inner(z):\n    return z * FACTOR\nreturn inner(x)", number),
    "function inside a function": (
        "def inner(z):\n    return (lambda: z * FACTOR)()\nreturn inner(x)", number,
    ),
    "default of a function inside": ("def inner(z, k=FACTOR):\n    return z * k\nreturn inner(x)", number),
    "keyword arguments": ("return tt.clip(9.0 * x, low=-FACTOR, high=FACTOR)", number),
    "unpacked arguments": ("return tt.clip(*(9.0 * x, -FACTOR), **{'high': FACTOR})", number),
    "module of a module": (
        "return x * settings.inner.factor", lambda patch: patch.setattr(settings.inner, "factor", 3.0),
    ),
    "module rebound": ("return x * settings.factor", module),
    "module under another name": (
        "return x * backend.floor(2.5)",
        lambda patch: patch.setitem(globals(), "backend", types.SimpleNamespace(floor=math.ceil)),
    ),
    "closures of the same code": ("return first(second(x))", lambda patch: change_second(3.0)),
    "builtin hidden by a global": (
        "return abs(x)", lambda patch: patch.setitem(globals(), "abs", lambda x: x * 3.0),
    ),
    "name of builtins": (
        "return x * factor_of_builtins",
        lambda patch: patch.setattr(builtins, "factor_of_builtins", 3.0, raising=False),
    ),
    "name of builtins, hidden": (
        "return x * factor_of_builtins", lambda patch: patch.setitem(globals(), "factor_of_builtins", 3.0),
    ),
    "function of ours rebound": ("return act(x)", lambda patch: patch.setitem(globals(), "act", tt.exp)),
    "class attribute by super": (
        "return x * super().factor", lambda patch: patch.setattr(Base, "factor", 3.0),
    ),
    "condition": ("if FACTOR > 2.5:\n    return x * 3.0\nreturn x * 2.0", number),
    "while": ("k = 0.0\nwhile k < FACTOR:\n    x, k = x + x, k + 1.0\nreturn x", number),
    "match": ("match FACTOR:\n    case 2.0:\n        return x * 2.0\nreturn x * 3.0", number),
    "try": ("try:\n    return x * FACTOR\nexcept KeyError:\n    return x", number),
    "walrus": ("return x * (k := FACTOR) + k", number),
    "f-string": ("return x * len(f'{FACTOR:.2f}' * int(FACTOR))", number),
    "assert": ("assert FACTOR > 0\nreturn x * FACTOR", number),
    "star": ("first_, *others = x, FACTOR\nreturn first_ * others[0]", number),
    "slice": ("return x[:, : int(FACTOR)]", number),
}  # fmt: skip
EAGER = {
    "module as a local variable": ("m = settings\nreturn x * m.factor", module_number),
    "module in an expression": ("return x * (settings or None).factor", module_number),
    "module as an argument": ("return x * (lambda m: m.factor)(settings)", module_number),
    "getattr of a module": ("return x * getattr(settings, 'factor')", module_number),
    "vars of a module": ("return x * vars(settings)['factor']", module_number),
    "class inside": ("class Inner:\n    factor = FACTOR\nreturn x * Inner.factor", number),
    "import by name": ("return x * __import__('settings_of_test_watch').factor", module_number),
    "globals of a function": ("return x * number.__globals__['FACTOR']", number),
    "cell of a function": (
        "return x * second.__closure__[0].cell_contents", lambda patch: change_second(3.0),
    ),
    "frame": ("return x * sys._getframe().f_globals['FACTOR']", number),
    "eval": ("return x * eval('FACTOR')", number),
}  # fmt: skip
if sys.version_info >= (3, 12):
    FUSED["generic function inside"] = (
        "def inner[T](z: T) -> T:\n    return z * FACTOR\nreturn inner(x)",
        number,
    )


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """Names that tests change, as they were."""
    monkeypatch.setattr(builtins, "factor_of_builtins", 2.0, raising=False)
    monkeypatch.setitem(globals(), "act", tt.tanh)
    yield
    change_second(2.0)


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a Sequential"])
@pytest.mark.parametrize("name", [*FUSED, *EAGER])
def test_what_is_read_may_change(name, alone, monkeypatch):
    body, change = (FUSED | EAGER)[name]
    layer = layer_of(body)
    model = layer if alone else tt.Sequential(tt.tanh, layer)
    before = model.predict(X)
    same(before, model.forward(tt.Tensor(X)).numpy())
    assert (stages(model) == ["Program"]) == (name in FUSED)
    change(monkeypatch)
    after = model.predict(X)
    same(after, model.forward(tt.Tensor(X)).numpy())
    assert after.tobytes() != before.tobytes()


def stages(model):
    """What the model's plan is made of."""
    return [type(stage).__name__ for stage in next(iter(model._plan.forms.values())).stages or ()]


def test_the_reason_names_what_is_not_followed():
    reasons = {
        "module as a local variable": "it uses the module settings as a value",
        "class inside": "forward defines a class",
        "import by name": "forward calls __import__",
        "globals of a function": "forward reads __globals__",
        "cell of a function": "forward reads cell_contents",
    }
    for name, reason in reasons.items():
        assert reason in str(tt.Sequential(layer_of(EAGER[name][0])).summary((4,)))


def test_an_instruction_that_is_not_known_is_refused(monkeypatch):
    """As one of a Python that is newer than this code would be."""
    monkeypatch.setattr(watch, "FOLLOWED", watch.FOLLOWED - {"LOAD_GLOBAL"})
    model = tt.Sequential(layer_of("return x * FACTOR"))
    assert "forward names FACTOR in a way that cannot be followed (LOAD_GLOBAL)" in str(model.summary((4,)))


def test_every_instruction_that_is_followed_names_something():
    """So that none is misspelt: each is one of this Python's, or one of another's."""
    others = {"LOAD_METHOD", "LOAD_CLOSURE", "LOAD_SUPER_ATTR", "LOAD_DEREF"}
    here = {dis.opname[code] for code in (*dis.hasname, *dis.hasfree) if code < len(dis.opname)}
    assert here >= watch.FOLLOWED - others
