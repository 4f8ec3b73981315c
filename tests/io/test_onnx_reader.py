"""ONNX in: what exporters take apart comes back whole, any graph runs, other files stay unread."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import gamma, within
from tests.rounding import error_bound
from tinytensor.commands.inspect import report

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
TensorProto, helper, numpy_helper = onnx.TensorProto, onnx.helper, onnx.numpy_helper

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 6)).astype(np.float32)
NEWEST_OF_RUNTIME = 23  # what ONNX Runtime promises to run lags behind what onnx defines


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], output, **attributes)


def model(nodes, opset=17, inputs=("x",), outputs=("y",), **weights):
    """A model of float32 matrices, that the checker has passed."""
    arrays = {name: np.asarray(values, np.float32) for name, values in weights.items()}
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 6]) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "m"]) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )  # fmt: skip
    made = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    onnx.checker.check_model(made)
    return made


def theirs(made, *inputs):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def agree(made, x=X):
    ours = tt.from_onnx(made)
    within(ours(x), theirs(made, x)[0], 2 * error_bound(ours, x))
    return ours


def names(ours):
    return [type(each).__name__ for each in ours]


W, B = RNG.standard_normal((6, 3)), RNG.standard_normal(3)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("MatMul", "x w", "m"), node("Add", "m b", "y")],
        [node("MatMul", "x w", "m"), node("Add", "b m", "y")],
        [node("Gemm", "x w b", "y")],
        [node("Gemm", "x v b", "y", transB=1)],
        [node("Gemm", "x w", "y")],
        [node("MatMul", "x w", "y")],
        [node("Identity", "w", "copy"), node("Gemm", "x copy b", "y")],
        [node("Transpose", "v", "t", perm=[1, 0]), node("MatMul", "x t", "y")],
    ],
    ids=lambda nodes: "-".join(each.op_type for each in nodes),
)
def test_matrix_products_are_linear(nodes):
    used = {name for each in nodes for name in each.input}
    weights = {name: w for name, w in {"w": W, "b": B, "v": W.T}.items() if name in used}
    assert names(agree(model(nodes, **weights))) == ["Linear"]


SQRT2 = np.sqrt(2)


@pytest.mark.parametrize(
    ("nodes", "weights", "layer"),
    [
        ([node("Div", "x s", "d"), node("Erf", "d", "e"), node("Add", "e one", "a"), node("Mul", "x a", "m"),
          node("Mul", "m half", "y")], {"s": SQRT2, "one": 1.0, "half": 0.5}, "GELU()"),
        ([node("Mul", "x half", "h"), node("Div", "x s", "d"), node("Erf", "d", "e"),
          node("Add", "one e", "a"),
          node("Mul", "h a", "y")], {"s": SQRT2, "one": 1.0, "half": 0.5}, "GELU()"),
        ([node("Sigmoid", "x", "s"), node("Mul", "x s", "y")], {}, "Swish()"),
        ([node("Mul", "x b", "z"), node("Sigmoid", "z", "s"), node("Mul", "s x", "y")], {"b": 1.5},
         "Swish(beta=1.5)"),
        ([node("Softplus", "x", "p"), node("Tanh", "p", "t"), node("Mul", "x t", "y")], {}, "Mish()"),
        ([node("Exp", "x", "e"), node("Add", "e one", "a"), node("Log", "a", "y")], {"one": 1.0},
         "Softplus()"),
        ([node("Abs", "x", "a"), node("Add", "one a", "d"), node("Div", "x d", "y")], {"one": 1.0},
         "Softsign()"),
        ([node("Dropout", "x", "y")], {}, "Dropout"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_decompositions_are_whole_again(nodes, weights, layer):
    ours = agree(model(nodes, **weights))
    assert len(ours) <= 1
    assert repr(ours[0]).startswith(layer) if len(ours) else layer == "Dropout"


@pytest.mark.parametrize(
    ("operands", "layer"),
    [
        ("x", tt.Clip(-np.inf, np.inf)),
        ("x low", tt.Clip(-0.5, np.inf)),
        ("x  high", tt.Clip(-np.inf, 0.5)),
        ("x zero", tt.ReLU()),
    ],
)
def test_bounds_that_are_left_out(operands, layer):
    nodes = [helper.make_node("Clip", operands.split(" "), ["y"])]
    bounds = {"low": -0.5, "high": 0.5, "zero": 0.0}
    (found,) = agree(model(nodes, **{name: bounds[name] for name in operands.split()[1:]}))
    assert repr(found) == repr(layer)


def test_squares_of_squares_are_not_multiplied_out():
    """x to the power 2 ** 60, whose factors nobody may count."""
    nodes = [node("Mul", f"{'x' if i == 0 else f'v{i}'} " * 2, f"v{i + 1}") for i in range(60)]
    ours = tt.from_onnx(model([*nodes, node("Sigmoid", "v60", "s"), node("Mul", "v60 s", "y")]))
    assert ours(np.array([[0.5, 1.0, -1.0, 0, 2, 1]], np.float32))[0, :4].tolist() == [
        0.0,
        1 / (1 + np.exp(np.float32(-1))),
        1 / (1 + np.exp(np.float32(-1))),
        0.0,
    ]


@pytest.mark.parametrize("dims", [[1] * 65, [-1], [1 << 30, 1 << 29]])
def test_shapes_that_no_array_has(dims):
    made = model([node("Relu", "x", "y")])
    made.graph.initializer.append(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=dims))
    with pytest.raises(tt.ModelFormatError, match=r"'w'.*shape"):
        tt.from_onnx(made)


def test_texts_are_utf8_and_weights_any_bytes():
    data = model([node("Add", "x b", "y")], b=[-1.0]).SerializeToString()
    assert tt.from_onnx(data)(X).tolist() == (X - 1).tolist()
    with pytest.raises(tt.ModelFormatError, match="expected text in UTF-8"):
        tt.from_onnx(data.replace(b"Add", b"A\xffd"))


def test_nodes_are_counted_before_they_are_read():
    made = model([node("Relu", "x", "y")])
    made.graph.node.extend([made.graph.node[0]] * 10_000)
    with pytest.raises(tt.ModelFormatError, match="expected at most 10000 nodes, got 10001"):
        tt.from_onnx(made)


@pytest.mark.parametrize("opset", range(7, min(NEWEST_OF_RUNTIME, onnx.defs.onnx_opset_version()) + 1))
def test_every_opset(opset):
    nodes = [
        node("Gemm", "x w b", "h"), node("BatchNormalization", "h s b m v", "n"),
        node("LeakyRelu", "n", "l", alpha=0.1), node("Flatten", "l", "f"), node("Softmax", "f", "y", axis=1),
    ]  # fmt: skip
    ours = agree(model(nodes, opset, w=W, b=B, s=B, m=B, v=np.abs(B) + 1))
    assert names(ours)[:3] == ["Linear", "BatchNorm", "LeakyReLU"]


@pytest.mark.parametrize("attributes", [{}, {"transA": 1}, {"transB": 1}, {"transA": 1, "transB": 1}])
def test_gemm_with_factors(attributes):
    weight = W.T if "transB" in attributes else W
    x = X.T if "transA" in attributes else X
    made = model([node("Gemm", "x w b", "y", alpha=0.5, beta=2.0, **attributes)], w=weight, b=B)
    del made.graph.input[0].type.tensor_type.shape.dim[:]
    made.graph.input[0].type.tensor_type.shape.dim.add()
    made.graph.input[0].type.tensor_type.shape.dim.add()
    size = np.abs(X) @ np.abs(W) + 2 * np.abs(B)
    within(tt.from_onnx(made)(x), theirs(made, x)[0], 2 * gamma(6 + 4, np.float32) * size)


def test_a_residual_graph():
    nodes = [node("Gemm", "x w b", "h"), node("Relu", "h", "r"), node("Add", "r x", "y")]
    made = model(nodes, w=RNG.standard_normal((6, 6)), b=np.zeros(6))
    ours = tt.from_onnx(made)
    assert isinstance(ours, tt.Graph)
    linear = next(each for each in ours.layers if isinstance(each, tt.Linear))
    before = tt.Sequential(linear, tt.relu)
    u = np.finfo(np.float32).eps / 2
    wanted = theirs(made, X)[0]
    within(ours(X), wanted, 2 * (error_bound(before, X) * (1 + u) + u * np.abs(wanted)))


def test_inputs_and_outputs_in_their_order():
    nodes = [node("Sub", "b a", "d"), node("Neg", "d", "n")]
    ours = tt.from_onnx(model(nodes, inputs=("a", "b"), outputs=("n", "d", "a")))
    found = ours(X, 2 * X)
    for got, wanted in zip(found, (-X, X, X), strict=True):
        assert np.array_equal(got, wanted)


def moved(op, y, sizes, errors, u):
    """How far y may be off, from its operands' sizes and errors."""
    if op in ("Add", "Mul"):
        (a, b), (da, db) = sizes, errors
        return (da + db if op == "Add" else a * db + b * da + da * db) + u * (np.abs(y) + da + db)
    return np.maximum.reduce(errors) + (16 * u * np.abs(y) if op == "Tanh" else 0)


OPERATIONS = {"Relu": 1, "Add": 2, "Mul": 2, "Tanh": 1, "Max": 2, "Neg": 1}


@settings(max_examples=25)
@given(st.integers(0, 99), st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, max_size=8))
def test_graphs_of_any_shape(seed, operations):
    """Each operation reads values at random; a bound goes along."""
    rng = np.random.default_rng(seed)
    values, nodes = ["x"], []
    for i, op in enumerate(operations):
        nodes.append(node(op, " ".join(rng.choice(values, OPERATIONS[op])), f"v{i}"))
        values.append(f"v{i}")
    made = model([*nodes, node("Identity", values[-1], "y")], outputs=("y", *values[1:]))
    wanted = dict(zip(("y", *values[1:]), theirs(made, X), strict=True)) | {"x": X}
    errors = {"x": np.zeros(X.shape)}
    for each in nodes:
        sizes = [np.abs(wanted[name]).astype(float) + errors[name] for name in each.input]
        name = each.output[0]
        errors[name] = moved(each.op_type, wanted[name], sizes, [errors[i] for i in each.input], 2.0**-24)
    ours = tt.from_onnx(model([*nodes, node("Identity", values[-1], "y")]))(X)
    within(ours, wanted["y"], 2 * errors[values[-1]])


def external(tmp_path, location, content=bytes(72)):
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[6, 3], data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", location), ("offset", "0"), ("length", "72")):
        tensor.external_data.add(key=key, value=value)
    made = model([node("MatMul", "x w", "y")], w=W)
    del made.graph.initializer[:]
    made.graph.initializer.append(tensor)
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    return folder


def test_weights_in_another_file(tmp_path):
    folder = external(tmp_path, "weights.bin")
    (folder / "weights.bin").write_bytes(np.asarray(W, "<f4").tobytes())
    for ours in (tt.load(folder / "m.onnx"), tt.from_onnx(folder / "m.onnx")):
        assert np.array_equal(ours[0].weight, W.T.astype(np.float32))
    assert tt.verify(ours, folder / "m.onnx", X).rows
    with pytest.raises(
        tt.ModelFormatError, match=r"lies in another file, 'weights\.bin'.*external_data=True"
    ):
        tt.from_onnx(folder / "m.onnx", external_data=False)
    with pytest.raises(tt.ModelFormatError, match=r"'weights\.bin'; tt\.from_onnx\(path\)"):
        tt.from_onnx((folder / "m.onnx").read_bytes())
    assert "weights.bin" in report(str(folder / "m.onnx"))


def test_no_file_outside_the_folder(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(72))
    folder = external(tmp_path, "x")
    (folder / "real").write_bytes(bytes(72))
    os.symlink(tmp_path / "secret", folder / "link")
    os.link(tmp_path / "secret", folder / "hard")
    os.symlink(tmp_path, folder / "up")
    os.mkfifo(folder / "pipe")
    inside = (
        "link",
        "hard",
        "up/secret",
        "pipe",
        "nowhere",
        ".",
        "",
        "./real",
        "a\\..\\real",
        "C:/real",
        "real/",
    )
    for location in ("../secret", str(tmp_path / "secret"), *inside):
        external(tmp_path, location)
        with pytest.raises(tt.ModelFormatError, match="no regular file in the folder of the model"):
            tt.load(folder / "m.onnx")
    external(tmp_path, "real")
    tt.load(folder / "m.onnx")
    (folder / "real").write_bytes(bytes(71))
    with pytest.raises(tt.ModelFormatError, match="ends at byte 72 of 71"):
        tt.load(folder / "m.onnx")


def several(tmp_path, *parts):
    """A model whose tensors are parts of one file of 100 bytes: (offset, length) each."""
    made = model([node("Identity", "x", "y")], w=W)
    del made.graph.initializer[:]
    for i, (offset, length) in enumerate(parts):
        tensor = made.graph.initializer.add(name=f"w{i}", data_type=TensorProto.UINT8, dims=[72])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "weights.bin"), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
    (tmp_path / "weights.bin").write_bytes(bytes(100))
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    return tmp_path / "m.onnx"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([(0, 72)] * 5000, None),  # one part, read once
        ([(0, 72), (28, 72)], "overlaps other tensors"),
        ([(29, 72)], "ends at byte 101 of 100"),
        ([(0, 71)], "has 72 bytes, in 'weights.bin' are 71"),
        ([(-1, 72)], "expected an offset and a length"),
        ([(0, 1 << 70)], "expected an offset and a length"),
        ([(1 << 40, 72)], "ends at byte"),
    ],
)
def test_parts_of_a_file(tmp_path, parts, said):
    path = several(tmp_path, *parts)
    if said is None:
        assert len(tt.load(path)) == 0
        assert "weights in 'weights.bin': 5000 tensors" in report(str(path))
    else:
        with pytest.raises(tt.ModelFormatError, match=said):
            tt.load(path)


def test_where_a_tensor_lies_is_said_once(tmp_path):
    path = several(tmp_path, (0, 72))
    made = onnx.load(path, load_external_data=False)
    made.graph.initializer[0].external_data.add(key="location", value="other.bin")
    path.write_bytes(made.SerializeToString())
    with pytest.raises(tt.ModelFormatError, match="says twice where it lies"):
        tt.load(path)


def test_what_is_not_computed_is_named():
    unknown = node("Einsum", "c", "y", equation="ii->i")
    made = model(
        [node("Det", "x", "a"), node("Det", "a", "b"), node("Relu", "b", "r"),
         node("RandomNormalLike", "r", "c"), unknown],
    )  # fmt: skip
    with pytest.raises(tt.UnsupportedOp) as caught:
        tt.from_onnx(made)
    said = str(caught.value).splitlines()
    assert said[0].startswith("node 'a' (Det), node 'b' (Det), opset 17: tinytensor does not compute Det")
    assert "node 'c' (RandomNormalLike), opset 17: " in said[1]
    assert "draws random numbers" in said[1]
    assert "node 'y' (Einsum), opset 17: a diagonal, 'ii'" in said[2]
    assert len(said) == 3
    assert "node 'r'" not in str(caught.value)
    assert max(map(len, said)) < 200


def test_paths_bytes_and_models(tmp_path):
    made = model([node("Relu", "x", "y")])
    path = tmp_path / "m.onnx"
    path.write_bytes(made.SerializeToString())
    for each in (made, made.SerializeToString(), path, str(path)):
        assert names(tt.from_onnx(each)) == ["ReLU"]
    with pytest.raises(tt.DtypeError, match="expected a path, bytes or a ModelProto"):
        tt.from_onnx(3)
    with pytest.raises(FileNotFoundError):
        tt.from_onnx(tmp_path / "nowhere")
    with pytest.raises(tt.ModelFormatError):
        tt.from_onnx(b"none")
