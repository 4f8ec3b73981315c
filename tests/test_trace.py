"""What is fused, and what is not: the contract of a `forward`, whose answers are never wrong or stale."""

import random
import time
import types
from random import random as draw

import numpy as np
import pytest

import tinytensor as tt

COUNTS = (1, 3, 40, 300)
DTYPES = (np.float32, np.float64)


class Residual(tt.Layer):
    def __init__(self, dtype):
        self.inner = tt.Sequential(tt.Linear(12, 12, seed=1, dtype=dtype), tt.relu)

    def forward(self, x):
        return x + self.inner(x)


class Gate(tt.Layer):
    def __init__(self, dtype):
        self.value, self.gate = (tt.Linear(12, 12, seed=seed, dtype=dtype) for seed in (1, 2))

    def forward(self, x):
        return self.value(x) * tt.sigmoid(self.gate(x))


class Branches(tt.Layer):
    def __init__(self, dtype):
        self.branches = [tt.Linear(12, width, seed=width, dtype=dtype) for width in (3, 8, 5)]

    def forward(self, x):
        return tt.concatenate([tt.tanh(branch(x)) for branch in self.branches], axis=1)


class SqueezeExcite(tt.Layer):
    def __init__(self, dtype):
        self.squeeze = tt.Linear(12, 4, seed=1, dtype=dtype)
        self.excite = tt.Linear(4, 12, seed=2, dtype=dtype)

    def forward(self, x):
        return x * tt.sigmoid(self.excite(tt.relu(self.squeeze(x))))


class Mixture(tt.Layer):
    def __init__(self, dtype):
        self.weight = tt.uniform((12, 6), seed=3, dtype=dtype)
        self.scale = tt.uniform((6,), seed=4, dtype=dtype)

    def forward(self, x):
        return (x @ self.weight) * self.scale + 0.5 - (x[:, :6] / 3.0)


class Chosen(tt.Layer):
    def __init__(self, dtype):
        self.linear = tt.Linear(12, 12, seed=1, dtype=dtype)

    def forward(self, x):
        y = self.linear(x)
        return tt.where(y > 0.1, y, 0.5 * x)


class Centered(tt.Layer):
    def __init__(self, dtype):
        self.linear = tt.Linear(12, 12, seed=1, dtype=dtype)

    def forward(self, x):
        y = self.linear(x)
        return (y - y.mean(axis=-1, keepdims=True)) / (1.0 + y.max(axis=1, keepdims=True))


class Attention(tt.Layer):
    def __init__(self, dtype):
        self.linear = tt.Linear(12, 12, seed=1, dtype=dtype)

    def forward(self, x):
        return x * tt.softmax(self.linear(x), axis=-1)


class Halves(tt.Layer):
    def __init__(self, dtype):
        self.linear = tt.Linear(12, 12, seed=1, dtype=dtype)

    def forward(self, x):
        y = self.linear(x)
        return tt.concatenate([y[:, 6:], y[:, :6], y[:, ::3]], axis=1)


class Reshaped(tt.Layer):
    def __init__(self, dtype):
        self.linear = tt.Linear(4, 2, seed=1, dtype=dtype)

    def forward(self, x):
        return self.linear(x.reshape(x.shape[0], 3, 4)).reshape(x.shape[0], -1)


class ByLength(tt.Layer):
    def __init__(self, dtype):
        self.linear = tt.Linear(6, 2, seed=1, dtype=dtype)

    def forward(self, x):
        return self.linear(x.reshape(len(x), 2, 6)).reshape(len(x), 4)


class NumPyFunctions(tt.Layer):
    def __init__(self, dtype):
        self.linear = tt.Linear(12, 4, seed=1, dtype=dtype)

    def forward(self, x):
        return np.tanh(self.linear(np.maximum(x, 0.0)))


class Nested(tt.Layer):
    def __init__(self, dtype):
        self.blocks = [Residual(dtype), Gate(dtype), SqueezeExcite(dtype)]
        self.last = tt.Sequential(Mixture(dtype), tt.softmax)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.last(x)


FUSED = [
    Residual, Gate, Branches, SqueezeExcite, Mixture, Chosen, Centered, Attention, Halves, Reshaped, ByLength,
    NumPyFunctions, Nested,
]  # fmt: skip


def samples(count, *sample, dtype=np.float32):
    return np.random.default_rng(count).standard_normal((count, *sample)).astype(dtype)


def same_bits(one, other):
    one, other = (each.numpy() if isinstance(each, tt.Tensor) else each for each in (one, other))
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)


def stages(model):
    return [type(stage).__name__ for stage in next(iter(model._plan.forms.values())).stages or ()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", FUSED)
def test_a_layer_of_operations_is_one_program(kind, dtype):
    model = tt.Sequential(kind(dtype))
    for count in COUNTS:
        x = samples(count, 12, dtype=dtype)
        same_bits(model.predict(x), model(x, fused=False))
    assert stages(model) == ["Program"]
    if dtype == np.float32:  # as the samples of a summary are
        assert all(row.fused for row in model.summary(12).rows)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", FUSED)
def test_a_layer_is_a_model(kind, dtype):
    model = kind(dtype)
    for count in COUNTS:
        x = samples(count, 12, dtype=dtype)
        same_bits(model.predict(x), model(x))
    assert stages(model) == ["Program"]


class SqueezeImages(tt.Layer):
    def __init__(self, dtype):
        self.conv = tt.Conv2d(3, 8, 3, padding=1, seed=1, dtype=dtype)
        self.squeeze = tt.Linear(8, 2, seed=2, dtype=dtype)
        self.excite = tt.Linear(2, 8, seed=3, dtype=dtype)

    def forward(self, x):
        y = tt.relu(self.conv(x))
        scale = tt.sigmoid(self.excite(tt.relu(self.squeeze(tt.global_avg_pool2d(y)))))
        return y * scale.reshape(len(x), 8, 1, 1)


class ResidualImages(tt.Layer):
    def __init__(self, dtype):
        self.conv = tt.Conv2d(3, 3, 3, padding=1, seed=1, dtype=dtype)

    def forward(self, x):
        return tt.relu(x + self.conv(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", [SqueezeImages, ResidualImages])
def test_blocks_of_images_are_one_program(kind, dtype):
    model = tt.Sequential(kind(dtype), tt.MaxPool2d(2), tt.Flatten())
    for count in COUNTS:
        x = samples(count, 3, 6, 6, dtype=dtype)
        same_bits(model.predict(x), model(x, fused=False))
    assert stages(model) == ["Program"]


class Undefined(tt.Layer):
    def forward(self, x):
        return x * float("nan")


def test_a_layer_that_gives_nan_is_fused():
    model = tt.Sequential(tt.Linear(12, 3, seed=0), Undefined())
    assert [row.fused for row in model.summary(12).rows] == [True, True]
    assert np.isnan(model.predict(samples(5, 12))).all()


# What is not fused gives the right answer, and summary says why


class ReadsValue(tt.Layer):
    def forward(self, x):
        return x / float(x.sum())


class BranchesOnValues(tt.Layer):
    def forward(self, x):
        return x * 2.0 if (x > 0).any() else -x


class BranchesOnLength(tt.Layer):
    def forward(self, x):
        return x * 2.0 if len(x) > 100 else -x


class BranchesOnTwo(tt.Layer):
    def forward(self, x):
        return x * 2.0 if len(x) > 1 else -x


class BranchesOnShape(tt.Layer):
    def forward(self, x):
        return x * 2.0 if x.shape[0] == 1 else -x


class BranchesOnInteger(tt.Layer):
    def forward(self, x):
        return x * 2.0 if int(x.shape[0]) > 1 else -x


class BranchesOnFormatted(tt.Layer):
    def forward(self, x):
        return x * 2.0 if len(str(x.shape[0])) > 1 else -x


class BranchesOnBits(tt.Layer):
    def forward(self, x):
        return x * 2.0 if x.shape[0].bit_length() > 1 else -x


class BranchesOnArrayOfLength(tt.Layer):
    def forward(self, x):
        return x * 2.0 if np.greater(x.shape[0], 1) else -x


class BranchesOnSize(tt.Layer):
    def forward(self, x):
        return x * 2.0 if x.size > 100 else -x


class GoesToNumPy(tt.Layer):
    def forward(self, x):
        return tt.Tensor(np.cumsum(np.asarray(x), axis=1))


class FirstForty(tt.Layer):
    def forward(self, x):
        return x[:40]


class DropsOne(tt.Layer):
    def forward(self, x):
        return x[1:]


class BranchesOnExactLength(tt.Layer):
    def forward(self, x):
        return x * 2.0 if len(x) == 40 else -x


class FallsThroughTable(tt.Layer):
    def forward(self, x):
        return {40: tt.tanh, 3: tt.relu}.get(len(x), tt.sigmoid)(x)


class TakesNumPy(tt.Layer):
    def forward(self, x):
        return tt.Tensor(x.numpy()[:, ::-1].copy())


class Catches(tt.Layer):
    def forward(self, x):
        try:
            return x * float(x.max())
        except Exception:
            return x


class CatchesReshape(tt.Layer):
    def forward(self, x):
        try:
            return x.reshape(3, -1).sum() + 0.0 * x
        except Exception:
            return x


class MixesSamples(tt.Layer):
    def forward(self, x):
        return x - x.mean(axis=0)


class ReversesSamples(tt.Layer):
    def forward(self, x):
        return x[::-1]


REFUSED = [
    ReadsValue, BranchesOnValues, BranchesOnLength, BranchesOnTwo, BranchesOnShape, BranchesOnInteger,
    BranchesOnFormatted, BranchesOnBits, BranchesOnArrayOfLength, BranchesOnSize, GoesToNumPy, TakesNumPy,
    Catches, CatchesReshape, MixesSamples, ReversesSamples,
]  # fmt: skip


@pytest.mark.parametrize("order", [COUNTS, COUNTS[::-1], (3, 1, 40, 300), (2, 1, 2, 300)])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_traced_runs_eagerly(kind, order):
    for model in (tt.Sequential(kind()), kind(), tt.Sequential(tt.Linear(12, 12, seed=0), kind(), tt.tanh)):
        for count in order:
            x = samples(count, 12)
            model.predict(-np.abs(x))
            expected = model(x, fused=False) if isinstance(model, tt.Sequential) else model(x)
            same_bits(model.predict(x), expected)
            same_bits(model.predict(-np.abs(x)), tt.Sequential(model)(-np.abs(x), fused=False))


@pytest.mark.parametrize("order", [COUNTS, COUNTS[::-1]])
@pytest.mark.parametrize("kind", [BranchesOnExactLength, FallsThroughTable])
def test_a_length_that_decides_is_noticed_at_each_batch(kind, order):
    model = tt.Sequential(kind())
    for count in (*order, *order):
        x = samples(count, 12)
        same_bits(model.predict(x), model(x, fused=False))


def test_a_layer_that_returns_another_number_of_rows():
    for order in (COUNTS, COUNTS[::-1]):
        model = tt.Sequential(FirstForty())
        for count in order:
            x = samples(count, 12)
            if count <= 40:
                same_bits(model.predict(x), x)
            else:
                with pytest.raises(tt.ShapeError, match=r"FirstForty.*an output for each of 300 samples"):
                    model.predict(x)
        with pytest.raises(tt.ShapeError, match=r"DropsOne.*an output for each"):
            tt.Sequential(DropsOne()).predict(samples(3, 12))


@pytest.mark.parametrize("kind", REFUSED)
def test_the_summary_says_why(kind):
    summary = tt.Sequential(kind()).summary(12)
    assert [row.fused for row in summary.rows] == [False]
    assert any("not fused" in note for note in summary.notes)


def test_the_summary_says_where():
    for kind in (ReadsValue, GoesToNumPy):
        notes = str(tt.Sequential(kind()).summary(12))
        line = kind.forward.__code__.co_firstlineno + 1
        assert f"(test_trace.py, line {line})" in notes


# What changes between two calls is noticed


class Random(tt.Layer):
    def forward(self, x):
        return x + tt.normal((12,), seed=None)


class NumPyRandom(tt.Layer):
    def forward(self, x):
        return x + float(np.random.random())  # noqa: NPY002


class GeneratorOfItsOwn(tt.Layer):
    def forward(self, x):
        return x * np.random.default_rng().random()


class RandomBranch(tt.Layer):
    def forward(self, x):
        return x if random.random() < 0.5 else -x


class Clock(tt.Layer):
    def forward(self, x):
        return x * (time.perf_counter_ns() % 1_000_003)


def below():
    return random.random()


class RandomInside(tt.Layer):
    def forward(self, x):
        return x * below()


GENERATOR = np.random.default_rng(0)


class GlobalGenerator(tt.Layer):
    def forward(self, x):
        return x if GENERATOR.random() < 0.5 else -x


class OwnGenerator(tt.Layer):
    def __init__(self):
        self._generator = np.random.default_rng(0)

    def forward(self, x):
        return x if self._generator.random() < 0.5 else -x


class ImportedName(tt.Layer):
    def forward(self, x):
        return x if draw() < 0.5 else -x


class ImportsInside(tt.Layer):
    def forward(self, x):
        import random as drawn

        return x if drawn.random() < 0.5 else -x


class NormalBranch(tt.Layer):
    def forward(self, x):
        return x if float(tt.normal((1,), seed=None)[0]) < 0 else -x


DRAWS = [
    Random, NumPyRandom, GeneratorOfItsOwn, RandomBranch, Clock, RandomInside, GlobalGenerator, OwnGenerator,
    ImportedName, ImportsInside, NormalBranch,
]  # fmt: skip


@pytest.mark.parametrize("kind", DRAWS)
def test_random_numbers_are_drawn_at_each_call(kind):
    for model in (tt.Sequential(kind()), kind()):
        x = np.ones((2, 12), np.float32)
        assert len({model.predict(x).tobytes() for _ in range(64)}) > 1


class Counts(tt.Layer):
    def __init__(self):
        self.n = 0

    def forward(self, x):
        self.n += 1
        return x * self.n


class CountsInList(tt.Layer):
    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append(1)
        return x * len(self.seen)


@pytest.mark.parametrize("kind", [Counts, CountsInList])
def test_counters_count(kind):
    for model in (tt.Sequential(kind()), kind()):
        x = np.ones((2, 12), np.float32)
        found = [float(model.predict(x)[0, 0]) for _ in range(5)]
        assert found == sorted(set(found))


FACTOR = 2.0
LAYER = tt.Linear(12, 12, seed=1)
BOX = [2.0]
TABLE = np.full(12, 2.0, np.float32)
SETTINGS = types.SimpleNamespace(factor=2.0)


def twice(x):
    return x * 2.0


def thrice(x):
    return x * 3.0


class ReadsNumber(tt.Layer):
    def forward(self, x):
        return x * FACTOR


class ReadsFunction(tt.Layer):
    def forward(self, x):
        return twice(x)


def by_factor(x):
    return x * FACTOR


class ReadsNumberInFunction(tt.Layer):
    def forward(self, x):
        return by_factor(x)


class ReadsLayer(tt.Layer):
    def forward(self, x):
        return LAYER(x)


class ReadsList(tt.Layer):
    def forward(self, x):
        return x * BOX[0]


class ReadsArray(tt.Layer):
    def forward(self, x):
        return x * TABLE


class ReadsSettings(tt.Layer):
    def forward(self, x):
        return x * SETTINGS.factor


class ReadsInComprehension(tt.Layer):
    def forward(self, x):
        return tt.concatenate([x * FACTOR for _ in range(2)], axis=1)


class ReadsDefault(tt.Layer):
    def forward(self, x, box=BOX):
        return x * box[0]


class Options:
    factor = 2.0


class ReadsClass(tt.Layer):
    def forward(self, x):
        return x * Options.factor


class KeepsClass(tt.Layer):
    def __init__(self):
        self.options = Options

    def forward(self, x):
        return x * self.options.factor


class CallsForward(tt.Layer):
    def __init__(self):
        self.inner = ReadsNumber()

    def forward(self, x):
        return self.inner.forward(x)


INNER = CallsForward()


class ReadsLayerOfOnesOwn(tt.Layer):
    def forward(self, x):
        return INNER(x)


class Inherits(ReadsNumber):
    def forward(self, x):
        return super().forward(x) + 1.0


def changed_number(patch):
    patch.setitem(globals(), "FACTOR", 3.0)


CHANGES = [
    (ReadsNumber, changed_number),
    (ReadsNumberInFunction, changed_number),
    (ReadsInComprehension, changed_number),
    (ReadsFunction, lambda patch: patch.setitem(globals(), "twice", thrice)),
    (ReadsLayer, lambda patch: patch.setitem(globals(), "LAYER", tt.Linear(12, 12, seed=2))),
    (ReadsLayer, lambda patch: setattr(LAYER, "bias", LAYER.bias + 1.0)),
    (ReadsList, lambda patch: BOX.__setitem__(0, BOX[0] + 1.0)),
    (ReadsDefault, lambda patch: BOX.__setitem__(0, BOX[0] + 1.0)),
    (ReadsClass, lambda patch: patch.setattr(Options, "factor", 3.0)),
    (KeepsClass, lambda patch: patch.setattr(Options, "factor", 3.0)),
    (CallsForward, changed_number),
    (ReadsLayerOfOnesOwn, changed_number),
    (Inherits, changed_number),
    (ReadsArray, lambda patch: TABLE.__iadd__(1.0)),
    (ReadsSettings, lambda patch: patch.setattr(SETTINGS, "factor", 3.0)),
]


@pytest.mark.parametrize(("kind", "change"), CHANGES)
def test_what_a_forward_reads_may_change(monkeypatch, kind, change):
    x = samples(3, 12)
    models = [tt.Sequential(kind()), kind(), tt.Sequential(tt.tanh, tt.Sequential(kind()))]
    before = [model.predict(x) for model in models]
    for model in models:
        model.predict(x)
    change(monkeypatch)
    for model, former in zip(models, before, strict=True):
        after = model.predict(x)
        same_bits(after, model.forward(tt.Tensor(x)))
        assert after.tobytes() != former.tobytes()


class Container(tt.Layer):
    def __init__(self, values):
        self.values = values

    def forward(self, x):
        for value in self.values.values() if isinstance(self.values, dict) else self.values:
            x = x * (value[0] if isinstance(value, list) else value)
        return x


@pytest.mark.parametrize("values", [[2.0, 1.5], {"a": 2.0, "b": 1.5}, [[2.0], 1.5], {"a": [2.0]}])
def test_containers_among_attributes_may_change_in_place(values):
    x = samples(3, 12)
    for model in (tt.Sequential(Container(values)), Container(values)):
        before = model.predict(x)
        layer = model[0] if isinstance(model, tt.Sequential) else model
        key = next(iter(layer.values)) if isinstance(layer.values, dict) else 0
        if isinstance(layer.values[key], list):
            layer.values[key][0] += 1.0
        else:
            layer.values[key] += 1.0
        after = model.predict(x)
        same_bits(after, model.forward(tt.Tensor(x)))
        assert after.tobytes() != before.tobytes()


class Settings:
    def __init__(self):
        self.factor = 2.0


class Foreign(tt.Layer):
    def __init__(self, settings):
        self.settings = settings

    def forward(self, x):
        return x * self.settings.factor


def test_an_attribute_of_an_unknown_type_is_not_fused_and_the_reason_says_so():
    x = samples(3, 12)
    for model in (tt.Sequential(Foreign(Settings())), Foreign(Settings())):
        model.predict(x)
        layer = model[0] if isinstance(model, tt.Sequential) else model
        layer.settings.factor = 3.0
        same_bits(model.predict(x), model.forward(tt.Tensor(x)))
        notes = str(model.summary(12))
        assert "Foreign.settings is of type Settings, which may change without notice" in notes


def test_class_attributes_and_properties_may_change():
    class ByClass(tt.Layer):
        factor = 2.0

        @property
        def other(self):
            return self._other

        def __init__(self):
            self._other = 1.0

        def forward(self, x):
            return x * self.factor + self.other

    x = samples(3, 12)
    for model, plus in ((tt.Sequential(ByClass()), 7.0), (ByClass(), 9.0)):
        layer = model[0] if isinstance(model, tt.Sequential) else model
        added = property(lambda self, plus=plus: self._other + plus)
        for change in (
            lambda: setattr(ByClass, "factor", ByClass.factor + 1.0),
            lambda layer=layer: setattr(layer, "_other", layer._other + 1.0),
            lambda added=added: setattr(ByClass, "other", added),
        ):
            before = model.predict(x)
            change()
            after = model.predict(x)
            same_bits(after, model.forward(tt.Tensor(x)))
            assert after.tobytes() != before.tobytes()


def test_a_forward_may_be_replaced():
    class Doubles(tt.Layer):
        def forward(self, x):
            return x * 2.0

    x = samples(3, 12)
    for model in (tt.Sequential(Doubles()), tt.Sequential(tt.tanh, Doubles()), Doubles()):
        layer = model[-1] if isinstance(model, tt.Sequential) else model
        model.predict(x)
        layer.forward = lambda x: x * 5.0
        same_bits(model.predict(x), model.forward(tt.Tensor(x)))
        del layer.forward
        same_bits(model.predict(x), model.forward(tt.Tensor(x)))
        Doubles.forward = lambda self, x: x * 7.0
        same_bits(model.predict(x), model.forward(tt.Tensor(x)))


def test_enclosing_variables_of_a_lambda_may_change():
    factor = 2.0
    box = [1.0]
    table = np.full(12, 2.0, np.float32)
    x = samples(3, 12)
    models = [
        tt.Sequential(tt.Lambda(lambda x: x * factor)),
        tt.Sequential(tt.Lambda(lambda x: x * box[0])),
        tt.Sequential(tt.Lambda(lambda x: x * table)),
    ]
    before = [model.predict(x) for model in models]
    factor = 3.0
    box[0] = 2.0
    table += 1.0
    for model, former in zip(models, before, strict=True):
        after = model.predict(x)
        same_bits(after, model.forward(tt.Tensor(x)))
        assert after.tobytes() != former.tobytes()


def test_an_array_among_attributes_may_change_in_place():
    class Shifts(tt.Layer):
        def __init__(self):
            self.columns = np.arange(12)

        def forward(self, x):
            return x[:, self.columns]

    x = samples(3, 12)
    for model in (tt.Sequential(Shifts()), Shifts()):
        layer = model[0] if isinstance(model, tt.Sequential) else model
        same_bits(model.predict(x), x)
        layer.columns[:] = layer.columns[::-1].copy()
        same_bits(model.predict(x), x[:, ::-1])


def test_two_calls_of_a_layer_inside_are_fused():
    class Shared(tt.Layer):
        def __init__(self):
            self.linear = tt.Linear(12, 12, seed=1)

        def forward(self, x):
            return self.linear(tt.tanh(self.linear(x)))

    model = Shared()
    x = samples(40, 12)
    same_bits(model.predict(x), model(x))
    assert stages(model) == ["Program"]
    model.linear.bias = model.linear.bias + 1.0
    same_bits(model.predict(x), model(x))


def test_an_enclosing_variable_that_forward_assigns_is_assigned_at_each_call():
    calls = 0

    class CountsOutside(tt.Layer):
        def forward(self, x):
            nonlocal calls
            calls += 1
            return x * calls

    model = CountsOutside()
    x = np.ones((2, 12), np.float32)
    found = [float(model.predict(x)[0, 0]) for _ in range(3)]
    assert found == sorted(set(found))
    assert "assigns an enclosing variable" in str(model.summary(12))


def test_methods_may_have_the_names_of_functions_that_look_elsewhere():
    class Named(tt.Layer):
        def input(self, x):
            return x * 2.0

        def forward(self, x):
            return self.input(x) + self.open(x)

        def open(self, x):
            return tt.tanh(x)

    model = Named()
    x = samples(40, 12)
    same_bits(model.predict(x), model(x))
    assert stages(model) == ["Program"]


def test_a_layer_that_gives_one_number_for_all_samples():
    model = tt.Sequential(tt.Linear(3, 2), tt.Lambda(lambda x: np.asarray(x).mean()))
    said = "model: not fused: Untraceable: Lambda(<lambda>) does not return a row for each sample"
    assert model.summary().notes == (said,)
    with pytest.raises(tt.ShapeError, match=r"Lambda.*an output for each of 4 samples"):
        model.predict(samples(4, 3))
