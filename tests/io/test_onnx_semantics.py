"""What an operation meant when the file was written, and what no file may cost."""

import inspect
import itertools
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.io.onnx.activations import ACTIVATIONS
from tinytensor.io.onnx.learning import LEARNING
from tinytensor.io.onnx.program import MICROSOFT, ML
from tinytensor.io.onnx.semantics import NEWEST
from tinytensor.operators.table import OPERATIONS

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 6)).astype(np.float32)
U = 2.0**-24


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), outputs.split()[0], **attributes)


def model(nodes, opset=17, shape=("n", 6), dtype=np.float32, outputs=1, **weights):
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    inputs = [helper.make_tensor_value_info("x", kind, shape)]
    ends = [onnx.ValueInfoProto(name=f"y{i or ''}") for i in range(outputs)]
    made = helper.make_graph(
        nodes, "g", inputs, ends,
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )  # fmt: skip
    return helper.make_model(made, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])


def theirs(made, x):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})


def agree(made, x=X, roundings=64):
    """Both within so many roundings of what is at most about as large as the largest result."""
    ours = tt.from_onnx(made)
    found = ours(x)
    found = found if isinstance(found, tuple) else (found,)
    for a, b in zip(found, theirs(made, x), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        size = np.abs(b[np.isfinite(b)]).max(initial=0) if b.dtype.kind == "f" else 0
        assert np.allclose(a, b, rtol=0, atol=roundings * U * size, equal_nan=True)
    return ours


F = np.float32
ROW = np.array([1, -2, 3, -4, 5, -6], F)


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([node("Mul", "x c", "m"), node("Sub", "d m", "y")], {"c": ROW, "d": F(2)}),  # constant minus value
        ([node("Mul", "x c", "m"), node("Sub", "m d", "y")], {"c": ROW, "d": F(2)}),
        ([node("Sub", "d x", "m"), node("Sub", "d m", "y")], {"d": ROW}),
        ([node("Div", "x c", "y")], {"c": F(1e-38)}),  # the reciprocal is finite, but not exact
        ([node("Div", "x c", "y")], {"c": F(1e-44)}),  # the reciprocal is infinite
        ([node("Div", "c x", "y")], {"c": ROW}),
        ([node("Div", "x c", "m"), node("Add", "m d", "y")], {"c": F(3), "d": ROW}),
        ([node("Gemm", "x w b", "y", beta=0.5)], {"w": RNG.random((6, 3), F), "b": F([1, 2, 3])}),
        ([node("Gemm", "x w b", "y", alpha=2.0)], {"w": RNG.random((6, 3), F), "b": F([1, 2, 3])}),
        ([node("Gemm", "x w b", "y", beta=0.0)], {"w": RNG.random((6, 3), F), "b": F([1, 2, 3])}),
    ],
    ids=lambda each: "-".join(n.op_type for n in each) if isinstance(each, list) else "",
)
def test_constants_on_either_side(nodes, weights):
    agree(model(nodes, **weights))


@pytest.mark.parametrize("c", [3.0, 1e-38, 1e30, 3e38])
def test_a_division_by_a_number(c):
    """Where the reciprocal is a normal number, it is multiplied by: two roundings for one."""
    x = (RNG.uniform(1, 2, (50, 6)) * min(c, 1.0)).astype(F)
    exact = x.astype(np.float64) / np.float64(F(c))
    found = tt.from_onnx(model([node("Div", "x c", "y")], c=F(c)))(x).numpy().astype(np.float64)
    spacing = np.spacing(exact.astype(F)).astype(np.float64)
    assert (np.abs(found - exact) <= np.maximum(2 * U * np.abs(exact) * (1 + U), spacing / 2)).all()


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("opset", [9, 11, 12, 13, 17])
@pytest.mark.parametrize("attributes", [{}, {"axis": 0}, {"axis": 2}, {"axis": -2}])
def test_softmax_of_three_axes(op, opset, attributes):
    x = RNG.standard_normal((3, 4, 5)).astype(F)
    if opset < 11 and attributes.get("axis", 0) < 0:
        attributes = {"axis": attributes["axis"] + 3}
    ours = agree(model([node(op, "x", "y", **attributes)], opset, ("n", 4, 5)), x, 256)
    if opset < 13 and not attributes and op == "Softmax":  # over axis 1 and all after it
        assert np.allclose(ours(x).numpy().sum((1, 2)), 1, atol=20 * U)


@pytest.mark.parametrize("allowzero", [0, 1])
def test_zero_in_a_shape(allowzero):
    made = model([node("Reshape", "x s", "y", allowzero=allowzero)], s=np.array([0, 3, 2]))
    if allowzero:
        ours = tt.from_onnx(made)
        assert ours(np.zeros((0, 6), F)).shape == (0, 3, 2)
        with pytest.raises(tt.ShapeError):
            ours(X)
    else:
        assert agree(made)(X).shape == (4, 3, 2)


def test_statistics_of_every_element_are_refused():
    made = model([node("BatchNormalization", "x s s s s", "y", spatial=0)], 8, s=np.ones(6, F))
    with pytest.raises(tt.UnsupportedOp, match="statistics of every element"):
        tt.from_onnx(made)


def test_a_newer_definition_than_those_that_were_read(monkeypatch):
    from tinytensor.io.onnx import semantics

    monkeypatch.setitem(semantics.NEWEST, "Relu", 13)
    made = model([node("Relu", "x", "y")])
    with pytest.raises(tt.UnsupportedOp, match=r"Relu up to its version 13, this is version 14; .*earlier"):
        tt.from_onnx(made)
    assert tt.from_onnx(model([node("Relu", "x", "y")], 13))(X).shape == X.shape  # the advice works


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Relu", "x", "y"), node("Tanh", "x", "y")],
        [node("Relu", "x", "x"), node("Tanh", "x", "y")],
        [node("Split", "x", "y y", axis=1)],
        [node("Relu", "x", "w"), node("Add", "w x", "y")],
    ],
)
def test_a_name_is_defined_once(nodes):
    with pytest.raises(tt.ModelFormatError, match="expected new names as outputs"):
        tt.from_onnx(model(nodes, w=ROW))


I64 = np.int64


@pytest.mark.parametrize(
    ("opset", "nodes", "weights", "outputs"),
    [
        (9, [node("Slice", "x", "y", axes=[1], starts=[1], ends=[-1])], {}, 1),
        (13, [node("Slice", "x a b c d", "y")],
         {"a": I64([-1]), "b": I64([-99]), "c": I64([1]), "d": I64([-2])}, 1),
        (11, [node("Split", "x", "y y1", axis=1, split=[2, 4])], {}, 2),
        (13, [node("Split", "x s", "y y1", axis=1)], {"s": I64([1, 5])}, 2),
        (13, [node("Split", "x", "y y1 y2", axis=1)], {}, 3),
        (18, [node("Split", "x", "y y1 y2 y3", axis=1, num_outputs=4)], {}, 4),
        (9, [node("TopK", "x", "y y1", k=2)], {}, 2),
        (17, [node("TopK", "x k", "y y1", largest=0)], {"k": I64([3])}, 2),
        (17, [node("Unsqueeze", "x a", "u"), node("Expand", "u s", "y")],
         {"a": I64([1]), "s": I64([3, 1])}, 1),
        (17, [node("ConstantOfShape", "s", "c"), node("Add", "x c", "y")], {"s": I64([6])}, 1),
        (10, [node("Pad", "x p v", "y")], {"p": I64([0, 1, 0, 2]), "v": F(7)}, 1),
        (17, [node("Pad", "x p", "y", mode="reflect")], {"p": I64([0, 1, 0, 2])}, 1),
        (17, [node("Einsum", "x w", "y", equation="bi,oi->bo")], {"w": RNG.random((3, 6), F)}, 1),
        (17, [node("Einsum", "x x", "y", equation="bi,bi->b")], {}, 1),
        (17, [node("Einsum", "x w", "y", equation="...i,ij->...j")], {"w": RNG.random((6, 3), F)}, 1),
        (17, [node("Einsum", "x", "y", equation="ij->ji")], {}, 1),
        (17, [node("ReduceL2", "x", "y", axes=[1], keepdims=0)], {}, 1),
        (17, [node("CumSum", "x a", "y", exclusive=1, reverse=1)], {"a": I64(1)}, 1),
        (17, [node("Mod", "x c", "y", fmod=1)], {"c": ROW}, 1),
    ],
    ids=lambda each: "-".join(n.op_type for n in each) if isinstance(each, list) else "",
)  # fmt: skip
def test_operations_of_other_opsets(opset, nodes, weights, outputs):
    if opset == 10 and nodes[0].op_type == "Pad":
        nodes, weights = [node("Pad", "x", "y", pads=[0, 1, 0, 2], value=7.0)], {}
    agree(model(nodes, opset, outputs=outputs, **weights))


def test_lengths_that_are_known_are_folded():
    """x.view(x.shape[0], x.shape[1] // 2 · 2, -1) and the like, as exporters write it."""
    lengths = [
        node("Shape", "x", "s"), node("Gather", "s one", "columns"), node("Mul", "columns two", "twice"),
        node("Unsqueeze", "twice zeros", "u"), node("ConstantOfShape", "u", "c"),
        node("Concat", "x x", "d", axis=1), node("Add", "d c", "y"),
    ]  # fmt: skip
    ours = agree(model(lengths, one=I64(1), two=I64(2), zeros=I64([0])))
    operations = [each.operation for each in ours.layers if isinstance(each, tt.Operator)]
    assert operations == ["Concat"]  # the rest is a constant that is added


def test_the_batch_is_never_known():
    """A file that was exported with a batch of 1 has its length nowhere in the model."""
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Cast", "n", "f", to=1),
        node("ReduceSum", "x", "r", keepdims=0), node("Div", "r f", "y"),
    ]  # fmt: skip
    ours = tt.from_onnx(model(nodes, 17, (1, 6), zero=I64(0)))
    assert ours(X).item() == pytest.approx(float(X.sum(dtype=float)) / 4, rel=8 * U * 24)


def test_the_document_lists_the_operations():
    root = Path(__file__).parents[2]
    text = (root / "docs" / "formats.md").read_text()
    start, end = text.index("These are computed"), text.index("## Load files that you do not trust")
    listed = " ".join(text[start:end].split())
    named = {name.removeprefix(f"{ML}.").removeprefix(f"{MICROSOFT}.") for name in NEWEST}
    assert {name for name in named if f"{name}," not in listed and f"{name}." not in listed} == set()


# What `modernize` takes away: how other types are computed, and what is for training.
TAKEN_AWAY = {
    "BatchNormalization": {"momentum", "training_mode"}, "Cast": {"round_mode", "saturate"},
    "CastLike": {"round_mode", "saturate"}, "DequantizeLinear": {"output_dtype"}, "Dropout": {"seed"},
    "GroupNormalization": {"stash_type"}, "LayerNormalization": {"stash_type"},
    "QuantizeLinear": {"output_dtype", "precision", "saturate"}, "RMSNormalization": {"stash_type"},
    "Range": {"stash_type"},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - LEARNING.keys()))
def test_attributes_are_those_of_the_definition_that_was_read(name):
    schema = onnx.defs.get_schema(name, NEWEST[name], "")
    assert schema.since_version == NEWEST[name]
    known = inspect.signature(OPERATIONS[name].compute).parameters
    assert schema.attributes.keys() - known.keys() == TAKEN_AWAY.get(name, set())
    for key in schema.attributes.keys() & known.keys():
        default = known[key].default
        if schema.attributes[key].default_value.type and default is not inspect.Parameter.empty:
            wanted = helper.get_attribute_value(schema.attributes[key].default_value)
            assert default == (wanted.decode() if isinstance(wanted, bytes) else pytest.approx(wanted, rel=U))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_those_of_the_definition_that_was_read(name):
    _, attributes, newest = ACTIVATIONS[name]
    schema = onnx.defs.get_schema(name, newest, "")
    assert schema.since_version == newest
    assert schema.attributes.keys() == attributes.keys()
    for key, (_, default) in attributes.items():
        wanted = helper.get_attribute_value(schema.attributes[key].default_value)
        assert default == (wanted.decode() if isinstance(wanted, bytes) else pytest.approx(wanted, rel=U))


def test_a_megabyte_of_constants_is_computed_when_the_file_is_read():
    nodes = [node("ConstantOfShape", "s", "c"), node("Exp", "c", "e"), node("Add", "x e", "y")]
    ours = tt.from_onnx(model(nodes, 17, (512, 512), s=np.array([512, 512])))
    assert "Exp" not in repr(ours)
    assert ours(np.ones((512, 512), F)).sum() == 2 * 512 * 512


def halved(opset=17, outputs=1):
    w, b = RNG.standard_normal((6, 3)).astype(np.float16), np.ones(3, np.float16)
    nodes = [node("Gemm", "x w b", "h"), node("Tanh", "h", "y")]
    return model(nodes, opset, dtype=np.float16, w=w, b=b)


def test_halves():
    made = halved()
    with pytest.warns(tt.ModelFormatWarning, match="computed in float32"):
        ours = tt.from_onnx(made, halves="widen")
    assert [type(each).__name__ for each in ours] == ["Linear", "Tanh"]
    x = X.astype(np.float16)
    (wanted,) = theirs(made, x)
    # theirs rounds its results, of at most 1, and sums of products, to 11 bits
    assert np.allclose(ours(x), wanted.astype(F), atol=8 * 2.0**-11)
    with pytest.raises(tt.UnsupportedOp, match=r'tt\.from_onnx\(path, halves="widen"\)') as caught:
        tt.from_onnx(made, halves="refuse")
    assert "node 'h' (Gemm)" in str(caught.value)
    with pytest.raises(tt.ArgumentError, match="expected 'widen' or 'refuse'"):
        tt.from_onnx(made, halves="narrow")


def test_bfloat16_everywhere():
    """An input, an initializer, a Constant, a cast and an output."""
    w = RNG.standard_normal((6, 6)).astype(F)
    bits = (w.view(np.uint32) >> 16).astype(np.uint16)
    exact = (bits.astype(np.uint32) << 16).view(F)
    tensor = TensorProto(name="w", data_type=TensorProto.BFLOAT16, dims=[6, 6], raw_data=bits.tobytes())
    one = TensorProto(data_type=TensorProto.BFLOAT16, dims=[1], raw_data=b"\x80\x3f")
    nodes = [
        node("Cast", "x", "c", to=TensorProto.BFLOAT16), node("MatMul", "c w", "m"),
        helper.make_node("Constant", [], ["one"], value=one), node("Add", "m one", "y"),
    ]  # fmt: skip
    made = model(nodes)
    made.graph.initializer.append(tensor)
    with pytest.warns(tt.ModelFormatWarning, match="bfloat16"):
        ours = tt.from_onnx(made)
    wanted = X.astype(float) @ exact + 1
    assert np.allclose(ours(X), wanted, rtol=0, atol=16 * U * np.abs(wanted).max())
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.BFLOAT16
    with pytest.raises(tt.UnsupportedOp, match=r"input 'x'.*widen"):
        tt.from_onnx(made, halves="refuse")


def test_halves_that_are_cast_first_lose_nothing():
    nodes = [node("Cast", "w", "c", to=TensorProto.FLOAT), node("MatMul", "x c", "y")]
    made = model(nodes, w=RNG.standard_normal((6, 3)).astype(np.float16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for halves in ("widen", "refuse"):
            assert type(tt.from_onnx(made, halves=halves)[0]) is tt.Linear


SIDE = 1000  # 4 MB of weights


def bombs():
    w = np.ones((SIDE, SIDE), F)
    many = range(300)
    turned = [node("Transpose", "w", "t"), *(node("Reshape", "t s", f"r{i}") for i in many)]
    read = [node("ReduceSum", f"r{i}", f"q{i}", keepdims=0) for i in many]
    whole = [node("Sum", "x " + " ".join(f"q{i}" for i in many), "y")]
    chain = [f"m{i}" if i else "x" for i in many] + ["y"]
    yield [*turned, node("Relu", "x", "y")], {"w": w}
    yield [*turned, *read, *whole], {"w": w}
    for op in ("MatMul", "Div"):
        yield [node(op, f"{a} w", b) for a, b in itertools.pairwise(chain)], {"w": w}
    yield (
        [*(node("Expand", f"one l{i % 2}", f"q{i}") for i in many), *whole],
        {"one": F(1), "l0": I64([SIDE, SIDE]), "l1": I64([1, SIDE, SIDE])},
    )
    yield [*(node("Tile", "w l", f"q{i}") for i in many), *whole], {"w": w[:1], "l": I64([SIDE, 1])}
    yield (
        [node("Range", "a b c", "r"), node("Cast", "r", "f", to=1), node("Add", "x f", "y")],
        {"a": I64(0), "b": I64(1 << 40), "c": I64(1)},
    )
    yield (
        [node("OneHot", "i d v", "h"), node("Add", "x h", "y")],
        {"i": np.zeros(1 << 10, I64), "d": I64(1 << 30), "v": F([0, 1])},
    )


LOAD = """
import sys
from pathlib import Path
import tinytensor as tt

def kilobytes(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

for path in sys.argv[1:]:
    before = kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    try:
        tt.load(path)
    except tt.TinyTensorError as error:
        print(error, file=sys.stderr)
    print(kilobytes("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are those of Linux")
def test_a_file_costs_a_few_times_its_size(tmp_path):
    """16 MB and four times the weights may be computed, and are copied when the model is built.

    The file, the message that it holds, the weights as arrays and as constants of the model are four times
    the weights more.
    """
    paths = [tmp_path / "first.onnx"]
    paths[0].write_bytes(model([node("Relu", "x", "y")]).SerializeToString())
    for i, (nodes, weights) in enumerate(bombs()):
        paths.append(tmp_path / f"{i}.onnx")
        made = model(nodes, 18, ("n", SIDE), s=I64([-1]), **weights)
        paths[-1].write_bytes(made.SerializeToString())
    done = subprocess.run([sys.executable, "-c", LOAD, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    grown = [int(line) >> 10 for line in done.stdout.split()]
    assert len(grown) == len(paths)
    assert max(grown[1:]) <= 2 * (16 + 4 * 4) + 4 * 4, grown
