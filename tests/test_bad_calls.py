"""Ten thousand calls with arguments of every kind end in the right answer or in an error of ours.

The numbers are small integers, NaN and infinities, so that sums and products are exact in every dtype and
the right answer is NumPy's, bit for bit; where a function rounds, it may differ by a few units in the last
place.
"""

import math
import operator
import warnings
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import tinytensor as tt

EXAMPLES, CALLS_EACH = 500, 20


# Arguments


def unaligned(array):
    room = np.zeros(array.nbytes + 1, np.uint8)
    view = room[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    array.flags.writeable = False
    return array


def overlapping(array):
    """Every element is the first one."""
    return np.lib.stride_tricks.as_strided(array, array.shape, (0,) * array.ndim) if array.size else array


NUMBERS = np.array([1, 0, 2, 3, -1, 2, 0, -2, 1])
LAYOUTS = (np.copy, np.transpose, lambda a: a[..., ::-1] if a.ndim else a, read_only, unaligned, overlapping)
DTYPES = (
    "f4",
    "f8",
    "i8",
    "?",
    "u1",
    "i4",
    ">f4",
    ">f8",
    ">i2",
    "f2",
    "g",
    "c8",
    "O",
    "U1",
    "M8[s]",
    "f4,f4",
)
SHAPES = ((), (0,), (1,), (3,), (2, 3), (3, 2), (3, 3), (0, 3), (2, 0, 3), (2, 1, 3), (1,) * 64)


def made(dtype, shape, layout):
    size = math.prod(shape)
    numbers = np.abs(NUMBERS) if dtype in ("?", "u1", "M8[s]") else NUMBERS
    array = (
        np.zeros(shape, dtype) if dtype == "f4,f4" else np.resize(numbers, size).astype(dtype).reshape(shape)
    )
    return array if array.dtype == object and layout is unaligned else layout(array)


def with_ends(dtype):
    return np.array([[math.nan, 1, math.inf], [0, -math.inf, -0.0]], dtype)


ARRAYS = [made(*choice) for choice in product(DTYPES, SHAPES, LAYOUTS)] + [
    *(with_ends(dtype) for dtype in ("f4", "f8", ">f4", "f2")),
]
nested = 1.0
for _ in range(65):
    nested = [nested]
OTHERS = [
    0, 1, 2, 3, -1, -3, 64, 65, 2**200, 10**400, True, False, 0.0, -0.0, 0.5, 1.0, 1e300, math.nan, math.inf,
    None, ..., "", "x", "f4", b"1", 1j, object(), slice(None, None, -1), float, int, bool,
    [], [1, 2, 3], [[1, 2, 3], [4, 5, 6]], [[1], [1, 2]], (2, 3), (3, 2), (-1,), (-1, 3), (0, 1), (1, 0),
    (0, 0), [None], ["a"], {}, {"a": 1}, {1}, range(3), iter(()), nested, nested[0], np.float32(2),
    np.int64(1), np.True_, np.datetime64("2020"), lambda x: x, Exception("x"), tt.Tensor([1, 2, 3]),
    tt.Tensor([1], int), tt.Tensor([True, False, True]), tt.relu, tt.Linear(3, 2, seed=0),
]  # fmt: skip
arguments = st.one_of(
    st.sampled_from(ARRAYS), st.sampled_from(ARRAYS[: len(ARRAYS) // 4]), st.sampled_from(OTHERS)
)


def plain(value, as_tensor=False):
    """An operand as NumPy has to see it for the answer that we promise."""
    if type(value) in (bool, int, float) and not as_tensor:
        return math.inf if abs(value) == 10**400 else value
    array = np.asarray(value)
    if array.dtype.kind in "iu" and as_tensor and type(value) is not tt.Tensor:
        return array.astype(np.float32)
    dtype = array.dtype.newbyteorder("=")
    untyped = isinstance(value, list | tuple | range | int | float) and not hasattr(value, "dtype")
    return array.astype(np.float32 if dtype in ("f2", "g") or (untyped and dtype.kind != "b") else dtype)


# Calls


class Call(NamedTuple):
    """What is called with how many arguments, what NumPy answers, and how many ULPs the two may differ."""

    name: str
    count: int
    ours: object
    numpys: object = None
    ulps: int = 0


def method(name, count=0):
    """Tensor(x).name(…), NumPy's method of the same name."""
    return Call(
        f"t.{name}",
        count + 1,
        lambda x, *rest: getattr(tt.Tensor(x), name)(*rest),
        lambda x, *rest: getattr(plain(x, True), name)(*rest),
    )


def operators():
    for name in ("add", "sub", "mul", "truediv", "lt", "le", "gt", "ge", "matmul", "and_", "or_", "xor"):
        f = getattr(operator, name)
        yield Call(
            f"t {name} x",
            2,
            lambda a, b, f=f: f(tt.Tensor(a), b),
            lambda a, b, f=f: f(plain(a, True), plain(b)),
        )
        yield Call(
            f"x {name} t",
            2,
            lambda a, b, f=f: f(a, tt.Tensor(b)),
            lambda a, b, f=f: f(plain(a), plain(b, True)),
        )
    yield Call(
        "t ** x", 2, lambda a, b: tt.Tensor(a) ** b, lambda a, b: np.power(plain(a, True), plain(b)), 1
    )
    yield Call(
        "x ** t", 2, lambda a, b: a ** tt.Tensor(b), lambda a, b: np.power(plain(a), plain(b, True)), 1
    )
    yield Call("t == x", 2, lambda a, b: tt.Tensor(a) == b)
    yield Call("t != x", 2, lambda a, b: tt.Tensor(a) != b)
    yield Call("x in t", 2, lambda a, b: b in tt.Tensor(a))
    yield Call("-t", 1, lambda a: -tt.Tensor(a), lambda a: -plain(a, True))
    yield Call("abs(t)", 1, lambda a: abs(tt.Tensor(a)), lambda a: abs(plain(a, True)))
    yield Call("~t", 1, lambda a: ~tt.Tensor(a), lambda a: ~plain(a, True))
    for convert in (bool, float, int, list, repr):
        yield Call(f"{convert.__name__}(t)", 1, lambda a, f=convert: f(tt.Tensor(a)))
    yield Call("t[x]", 2, lambda a, key: tt.Tensor(a)[key], lambda a, key: plain(a, True)[key_of(key)])


def key_of(key):
    return np.asarray(key) if type(key) is tt.Tensor else key


def functions():
    for name in ("maximum", "minimum"):
        f, g = getattr(tt, name), getattr(np, name)
        yield Call(name, 2, f, lambda a, b, g=g: g(plain(a, True), plain(b)))
    yield Call("where", 3, tt.where, lambda c, a, b: np.where(plain(c), *weak(plain(a), plain(b))))
    yield Call("clip", 3, tt.clip, lambda x, low, high: clipped(plain(x, True), low, high))
    yield Call("concatenate", 3, lambda a, b, axis: tt.concatenate([a, b], axis),
               lambda a, b, axis: np.concatenate([plain(a, True), plain(b, True)], axis))  # fmt: skip
    yield Call("stack", 3, lambda a, b, axis: tt.stack([a, b], axis),
               lambda a, b, axis: np.stack([plain(a, True), plain(b, True)], axis))  # fmt: skip
    yield Call("concatenate(x)", 1, tt.concatenate)
    for name in ("exp", "log", "sqrt", "tanh"):
        f, g = getattr(tt, name), getattr(np, name)
        yield Call(
            name,
            1,
            f,
            lambda x, g=g: g(floating(plain(x, True)).astype("g")).astype(floating(plain(x, True)).dtype),
            2,
        )
    yield Call("erf", 1, tt.erf)


def weak(a, b):
    """Python numbers beside an array take its dtype; two of them are float32."""
    if type(a) is not np.ndarray and type(b) is not np.ndarray:
        return np.float32(a), np.float32(b)
    dtype = np.result_type(a, b)
    return (np.asarray(a, dtype), np.asarray(b, dtype)) if dtype.kind == "f" else (a, b)


def clipped(x, low, high):
    x = x if low is None else np.maximum(x, plain(low))
    return x if high is None else np.minimum(x, plain(high))


def floating(x):
    return x.astype(np.result_type(x, np.float32))


def reductions():
    for name in ("sum", "prod", "any", "all", "min", "max", "argmin", "argmax"):
        yield Call(f"t.{name}", 2, lambda x, axis, name=name: getattr(tt.Tensor(x), name)(axis),
                   lambda x, axis, name=name: getattr(plain(x, True), name)(axis_of(axis)))  # fmt: skip
    for name in ("mean", "var", "std"):
        yield Call(f"t.{name}", 2, lambda x, axis, name=name: getattr(tt.Tensor(x), name)(axis),
                   lambda x, axis, name=name: in_float64(name, plain(x, True), axis_of(axis)), 1)  # fmt: skip
    yield Call("t.sum(keepdims)", 3, lambda x, axis, keep: tt.Tensor(x).sum(axis, keep))
    yield Call("t.var(ddof)", 3, lambda x, axis, ddof: tt.Tensor(x).var(axis, ddof))


def axis_of(axis):
    return tuple(axis) if isinstance(axis, list | np.ndarray | tt.Tensor | range) and np.ndim(axis) else axis


def in_float64(name, x, axis):
    return np.asarray(getattr(x.astype(float), name)(axis)).astype(floating(x).dtype)


def creation():
    yield Call("Tensor(x)", 1, tt.Tensor, lambda x: plain(x, True))
    yield Call("Tensor(x, dtype)", 2, tt.Tensor)
    yield Call("t.astype", 2, lambda x, dtype: tt.Tensor(x).astype(dtype))
    yield Call("zeros", 2, tt.zeros)
    yield Call("full", 3, tt.full)
    yield Call("eye", 2, tt.eye)
    yield Call("arange", 3, tt.arange)
    yield Call("linspace", 3, tt.linspace)
    yield Call("uniform", 3, tt.uniform)
    yield Call("normal", 3, tt.normal)
    yield Call("seed", 2, lambda shape, seed: tt.uniform(shape, seed=seed))


def shaping():
    for name in ("tolist", "ravel", "flatten", "copy"):
        yield method(name)
    yield method("reshape", 1)
    yield method("transpose", 1)
    yield method("swapaxes", 2)
    for name in ("squeeze", "expand_dims", "broadcast_to", "item"):
        yield Call(
            f"t.{name}", 2, lambda x, *rest, name=name: getattr(tt.Tensor(x), name)(*rest[: name != "item"])
        )
    yield Call("t.T", 1, lambda x: tt.Tensor(x).T, lambda x: plain(x, True).T)
    yield Call("t.mT", 1, lambda x: tt.Tensor(x).mT, lambda x: plain(x, True).mT)


def networks():
    for name in tt.activations.names():
        yield Call(name, 1, tt.activations.get(name))
    yield Call("softmax(axis)", 2, lambda x, axis: tt.Softmax(axis)(x))
    yield Call("log_softmax(axis)", 2, lambda x, axis: tt.LogSoftmax(axis)(x))
    yield Call("leaky_relu(slope)", 2, lambda x, slope: tt.leaky_relu(x, negative_slope=slope))
    yield Call("activations.get", 2, lambda name, x: tt.activations.get(name)(x))
    yield Call("GELU", 1, tt.GELU)
    yield Call("Linear", 3, lambda a, b, bias: tt.Linear(a, b, bias))
    yield Call("Linear(weight)", 2, lambda w, b: tt.Linear(3, 2, weight=w, bias=b))
    yield Call("linear(x)", 1, tt.Linear(3, 2, seed=0))
    yield Call("Rescale", 3, lambda x, scale, offset: tt.Rescale(scale, offset)(x))
    yield Call("Reshape", 2, lambda x, shape: tt.Reshape(shape)(x))
    yield Call("Flatten", 1, tt.Flatten())
    yield Call("Dropout", 2, lambda x, p: tt.Dropout(p)(x))
    yield Call("Perceptron", 3, lambda w, b, x: tt.Perceptron(w, b)(x))
    yield Call("Sequential", 2, tt.Sequential)
    model = tt.Sequential(tt.Linear(3, 2, seed=0), tt.relu, tt.Linear(2, 2, seed=1), tt.softmax)
    yield Call("model(x)", 1, model)
    yield Call("model.predict", 2, lambda x, size: model.predict(x, batch_size=size))
    yield Call("model[x]", 1, lambda key: model[key])
    linear = tt.Sequential(tt.Linear(3, 2, seed=0))
    yield Call("load_state_dict", 1, lambda state: linear.load_state_dict(state))


CALLS = [*operators(), *functions(), *reductions(), *creation(), *shaping(), *networks()]


# What has to come of them


def check(call, given_):
    before = [each.tobytes() for each in given_ if isinstance(each, np.ndarray)]
    answer = error = None
    try:
        answer = call.ours(*given_)
    except tt.TinyTensorError as raised:
        error = raised
    assert before == [each.tobytes() for each in given_ if isinstance(each, np.ndarray)]
    if error is not None:
        assert isinstance(error, ValueError | TypeError)
        assert str(error)
        return
    if call.numpys is None:
        return
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected = np.asarray(call.numpys(*given_))
    got = np.asarray(answer)
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    if call.ulps and got.dtype.kind == "f":
        ends = ~(np.isfinite(got) & np.isfinite(expected))
        assert np.array_equal(got[ends], expected[ends], equal_nan=True)
        assert np.all(np.abs(got[~ends] - expected[~ends]) <= call.ulps * np.spacing(np.abs(expected[~ends])))
    else:
        assert np.array_equal(got, expected, equal_nan=got.dtype.kind == "f")


# Nothing is shrunk: it would take minutes, and the message names the call.
@settings(max_examples=EXAMPLES, phases=(Phase.reuse, Phase.generate))
@given(
    st.lists(
        st.tuples(st.sampled_from(CALLS), arguments, arguments, arguments),
        min_size=CALLS_EACH,
        max_size=CALLS_EACH,
    )
)
def test_a_call_ends_in_the_right_answer_or_in_an_error_of_ours(calls):
    for call, *given_ in calls:
        try:
            check(call, given_[: call.count])
        except Exception as error:
            raise AssertionError(f"{call.name} of {given_[: call.count]}: {type(error).__name__}") from error


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_every_call_has_answers(call):
    """The calls above are no mere errors: each gives an answer for some arguments."""
    arrays = [np.arange(9, dtype=np.float32).reshape(3, 3), np.ones(3), np.ones((2, 3)), np.ones(2)]
    state = {"0.weight": np.ones((2, 3)), "0.bias": np.ones(2)}
    good = [*arrays, 3, 1, 0, 0.5, np.ones(3, bool), True, (3, 3), "f4", [2], state, tt.relu, "relu", "none"]
    for choice in product(good, repeat=call.count):
        try:
            call.ours(*choice)
        except tt.TinyTensorError:
            continue
        check(call, list(choice))
        return
    raise AssertionError(f"{call.name} answers nothing")
