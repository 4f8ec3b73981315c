import numpy as np
import pytest

import tinytensor as tt
from tests.custom import Residual

CHAPTER = [tt.Linear(784, 50), tt.sigmoid, tt.Linear(50, 100), tt.sigmoid, tt.Linear(100, 10), tt.softmax]


def test_the_chapters_network():
    summary = tt.Sequential(CHAPTER).summary()
    assert [row.shape for row in summary.rows] == [(50,), (50,), (100,), (100,), (10,), (10,)]
    assert [row.parameters for row in summary.rows] == [784 * 50 + 50, 0, 50 * 100 + 100, 0, 100 * 10 + 10, 0]
    assert summary.parameters == sum(row.parameters for row in summary.rows) == 45_360
    assert summary.bytes == 4 * 45_360


def test_the_table():
    model = tt.Sequential(tt.Flatten(), ("out", tt.Linear(6, 99)))
    assert str(model.summary((2, 3))).splitlines() == [
        "name   layer                                   output       fused  multiply-adds  parameters  bytes",
        "─" * 99,
        "0      Flatten()                               (batch, 6)   yes                0           0      0",
        "out    Linear(in_features=6, out_features=99)  (batch, 99)  yes              594         693  2,772",
        "─" * 99,
        "total                                                                        594         693  2,772",
    ]
    assert repr(model.summary()) == str(model.summary())


def test_layers_of_a_block_are_listed_one_by_one():
    model = tt.Sequential(("block", tt.Sequential(tt.Linear(4, 3), tt.relu)), Residual(tt.Linear(3, 3)))
    rows = model.summary().rows
    assert [row.name for row in rows] == ["block.0", "block.1", "1"]
    assert [row.parameters for row in rows] == [15, 0, 12]
    assert [row.shape for row in rows] == [(3,), (3,), (3,)]
    assert [row.fused for row in rows] == [True, True, True]


def test_a_long_layer_is_shortened_to_a_line():
    model = tt.Sequential(Residual(tt.Sequential(*[tt.Linear(3, 3)] * 5)))
    assert str(model.summary()).splitlines()[2].startswith("0      Residual(inner=Sequential( Linear(")


def test_shapes_that_nothing_tells():
    assert [row.shape for row in tt.Sequential(tt.Flatten(), tt.relu).summary().rows] == [None, None]
    model = tt.Sequential(tt.Reshape((2, -1)), tt.Linear(3, 2))
    assert [row.shape for row in model.summary().rows] == [None, None]
    assert [row.shape for row in model.summary((6,)).rows] == [(2, 3), (2, 2)]
    assert str(model.summary(6)) == str(model.summary((6,)))
    for unknown in (model.summary(), tt.Sequential(tt.Flatten(), tt.relu).summary()):
        assert [row.output for row in unknown.rows] == ["unknown", "unknown"]
        assert "summary(shape)" in str(unknown).splitlines()[-1]
    assert model.summary(6).notes == ()


@pytest.mark.parametrize("inside", [False, True])
def test_layers_that_do_not_chain(inside):
    last = [tt.Linear(100, 10), tt.softmax]
    model = tt.Sequential(tt.Linear(784, 50), ("act", tt.relu), *([tt.Sequential(last)] if inside else last))
    name = "2.0" if inside else "2"
    rows = {row.name: row for row in model.summary().rows}
    assert [row.shape for row in rows.values()] == [(50,), (50,), None, None]
    assert rows[name].output == "expected (batch, 100), got (1, 50)"
    assert list(rows.values())[3].output == "not reached"
    reason = "Linear(in_features=100, out_features=10): expected (batch, 100), got (1, 50)"
    assert model.summary().notes == (f"{name}: {reason}",)
    assert str(model.summary()).endswith(f"\n{name}: {reason}")
    with pytest.raises(tt.ShapeError, match=r"expected \(batch, 100\)"):
        model.summary(784)


class Broken(tt.Layer):
    def forward(self, x):
        raise KeyError("no\x1b[31m\nkey")


def test_a_layer_that_raises():
    summary = tt.Sequential(tt.Linear(3, 2), Broken(), ("a\x1b[0m\n", tt.relu)).summary()
    assert [row.shape for row in summary.rows] == [(2,), None, None]
    lines = str(summary).splitlines()
    assert "'no\\x1b[31m\\nkey'" in lines[3]
    assert lines[4].startswith("a\\x1b[0m\\n ")
    assert "\x1b" not in str(summary)
    with pytest.raises(KeyError):
        tt.Sequential(Broken()).summary(3)


class Doubling(tt.Layer):
    def forward(self, x):
        return x * np.ones(2)


@pytest.mark.parametrize(
    ("layer", "note"),
    [
        (tt.Rescale(np.ones(2)), 'float64 from 1 on, as is its scale; model.astype("float32")'),
        (tt.Linear(2, 2, dtype="float64"), "float64 from 1 on, as is its weight, bias; "),
        (tt.BatchNorm(*np.ones((4, 2))), "float64 from 1 on, as is its weight, bias, running_mean, and 1"),
        (Doubling(), "float64 from 1 on, by its forward"),
    ],
    ids=lambda each: type(each).__name__,
)  # fmt: skip
def test_float64_by_accident(layer, note):
    model = tt.Sequential(tt.Linear(3, 2), layer, tt.Linear(2, 2))
    first, *others = model.summary().notes
    assert first.startswith(note)
    assert all("not fused" in each for each in others)
    assert model.summary(3).notes == model.summary().notes
    assert model(np.ones((1, 3), np.float32)).dtype == np.float64
    if "astype" in note:  # what it advises works
        assert model.astype("float32").summary().notes == ()
        assert model.astype("float32")(np.ones((1, 3), np.float32)).dtype == np.float32


def test_float32_needs_no_note():
    assert tt.Sequential(CHAPTER).summary().notes == ()
    assert tt.Sequential(tt.Rescale(np.float64(2)), tt.Linear(2, 2)).summary().notes == ()


def test_a_shape_that_does_not_fit():
    with pytest.raises(tt.ShapeError, match=r"Sequential\[0\] Linear"):
        tt.Sequential(CHAPTER).summary((100,))


def test_an_empty_model():
    summary = tt.Sequential().summary()
    assert (summary.rows, summary.parameters, summary.bytes) == ((), 0, 0)
    assert str(summary).splitlines()[-1].split() == ["total", "0", "0", "0"]


def test_parameters_of_any_dtype_are_counted_in_bytes():
    layer = tt.Rescale(np.ones(3), np.ones(3, np.float32))
    assert tt.Sequential(layer).summary((3,)).bytes == 3 * 8 + 3 * 4


def test_bytes_of_a_quantised_network_beside_those_in_float32():
    model = tt.Sequential(tt.Linear(6, 4, seed=0), tt.sigmoid, tt.Linear(4, 2, seed=1))
    quantized = tt.quantize(model, np.random.default_rng(0).standard_normal((64, 6)).astype(np.float32))
    summary = quantized.summary()
    assert any(type(layer) is tt.Lookup for layer in quantized)  # whose table float32 does not need
    assert summary.float_bytes == model.summary().bytes == model.summary().float_bytes
    assert summary.bytes == sum(each.nbytes for each in quantized.state_dict().values())
    assert f"quantised: {summary.bytes:,} bytes instead of {summary.float_bytes:,} in float32" in str(summary)


def test_a_sample_without_elements():
    assert [row.shape for row in tt.Sequential(tt.relu).summary((0, 3)).rows] == [(0, 3)]


def test_multiply_adds():
    summary = tt.Sequential(CHAPTER).summary()
    assert [row.multiply_adds for row in summary.rows] == [784 * 50, 0, 50 * 100, 0, 100 * 10, 0]
    assert summary.multiply_adds == 45_200
    model = tt.Sequential(tt.Conv2d(2, 3, 5), tt.relu, tt.MaxPool2d(2))
    assert [row.multiply_adds for row in model.summary((2, 8, 9)).rows] == [3 * 4 * 5 * 2 * 5 * 5, 0, 0]


def test_multiply_adds_of_layers_inside_a_layer():
    model = tt.Sequential(Residual(tt.Sequential(tt.Linear(3, 3), tt.Linear(3, 3))))
    assert [row.multiply_adds for row in model.summary(3).rows] == [18]


def test_multiply_adds_that_are_unknown():
    assert [row.multiply_adds for row in tt.Sequential(tt.relu).summary().rows] == [None]
    drawn = tt.Sequential(tt.Linear(3, 2), tt.Lambda(lambda x: x.numpy() * 2)).summary()
    assert [row.multiply_adds for row in drawn.rows] == [6, None]
    assert drawn.multiply_adds == 6
    assert str(drawn).splitlines()[3].split()[-4:] == ["·", "·", "0", "0"]


@pytest.mark.parametrize("shape", ["a", (28, "a"), (4.5,), -1, (3, -2), None])
def test_a_shape_that_is_none(shape):
    model = tt.Sequential(tt.relu)
    for ask in (model.trace, *((model.summary,) if shape is not None else ())):
        with pytest.raises(tt.ShapeError, match="expected the lengths of one sample"):
            ask(shape)


def test_a_traced_operation_without_an_instruction_has_a_note():
    power = tt.Sequential(tt.Linear(4, 4, seed=0), tt.Lambda(lambda x: x**2))
    assert power.summary().notes == ("1: not fused: there is no instruction for power",)
    wide = tt.Sequential(tt.BatchNorm(4).astype("float64"), tt.Linear(4, 3, seed=0))
    summary = wide.summary(4)
    assert [row.fused for row in summary.rows] == [False, True]
    assert summary.notes[1] == (
        "0: not fused: the instruction for batch_norm does not take these dtypes, axes or constants"
    )
