"""ONNX models that lie, point to other files, go round in circles or grow; importing this imports onnx."""

import itertools

from onnx import TensorProto, helper

HUGE = 1 << 40
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
GOOD = bytes(16)


def onnx(folder):
    """All of them, as bytes; `folder` has a file `secret`, and gets a link."""
    if not (folder / "link").exists():
        (folder / "link").symlink_to("/etc/hostname")
    made = itertools.chain(tensors(), elsewhere(folder), wirings(), attributes(), growing(), learning())
    return itertools.chain((each.SerializeToString() for each in made), wires())


def model(nodes, weights=(), opset=17, inputs=("x",), outputs=("y",)):
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(name, FLOAT, [None, 2]) for name in inputs],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs], list(weights),
    )  # fmt: skip
    return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", opset)])


def weight(**fields):
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2, 2])
    for name, value in fields.items():
        if isinstance(value, list):
            del getattr(tensor, name)[:]
            getattr(tensor, name).extend(value)
        else:
            setattr(tensor, name, value)
    return tensor


def node(op, inputs, outputs, **given):
    return helper.make_node(op, inputs.split(), outputs.split(), **given)


USE = [node("MatMul", "x w", "y")]


def tensors():
    for dims in ([HUGE, HUGE], [-1, 4], [1 << 62, 4], [0, HUGE], [5], [], [1] * 100, [2, 2, 1 << 30]):
        yield model(USE, [weight(dims=dims, raw_data=GOOD)])
        yield model(USE, [weight(dims=dims)])
    for kind in (0, 8, 14, 16, 17, 99, 1 << 30):
        yield model(USE, [weight(data_type=kind, raw_data=GOOD)])
    yield model(USE, [weight(raw_data=GOOD, float_data=[1.0] * 4)])
    yield model(USE, [weight(float_data=[1.0] * 3)])
    yield model(USE, [weight(int32_data=[1] * 4)])
    yield model(USE, [weight(raw_data=GOOD), weight(raw_data=GOOD)])


def elsewhere(folder):
    absolute = ["/etc/hostname", str(folder / "secret"), "file:///etc/hostname"]
    for location in ["secret", "../secret", "link", ".", "", "a\0b", "~", *absolute]:
        tensor = weight(data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", "0"), ("length", "16")):
            tensor.external_data.add(key=key, value=value)
        yield model(USE, [tensor])


def wirings():
    yield model([node("Relu", "y", "y")])
    yield model([node("Add", "x z", "y"), node("Add", "y x", "z")])
    yield model([node("Relu", "x", "y"), node("Tanh", "x", "y")])
    yield model([], outputs=("x",))
    yield model([], outputs=())
    yield model([node("Relu", "x", "y")], inputs=())
    yield model([node("Relu", "x", "y")], inputs=("x", "x"))
    yield model([node("Relu", "", "y")])
    yield model([node("Relu", "x x x", "y z")])
    yield model([node("Gemm", "x", "y")])


def operations():
    """Operations whose results depend on lengths, and some of ai.onnx.ml."""
    numbers = {"one": [1], "two": [2], "many": [0, 2], "x2": [1, 2]}
    constants = [
        TensorProto(name=name, data_type=INT64, dims=[len(values)], int64_data=values)
        for name, values in numbers.items()
    ]
    nodes = [
        node("Shape", "x", "s"), node("Slice", "s one two", "n"), node("ConstantOfShape", "n", "c"),
        node("Split", "x", "a b", axis=1), node("Concat", "b a", "d", axis=1), node("Add", "d c", "e"),
        node("Tile", "e x2", "t"), node("TopK", "t one", "k i"),
        node("Einsum", "x k", "g", equation="ij,ik->ik"),
        helper.make_node("Scaler", ["g"], ["h"], domain="ai.onnx.ml", offset=[1.0], scale=[0.5]),
        helper.make_node("LinearClassifier", ["h"], ["l", "p"], domain="ai.onnx.ml", coefficients=[1.0, 2.0],
                         classlabels_strings=["a", "b"], post_transform="SOFTMAX"),
        helper.make_node("ZipMap", ["p"], ["y"], domain="ai.onnx.ml", classlabels_strings=["a", "b"]),
    ]  # fmt: skip
    made = model(nodes, constants, outputs=("y", "l"))
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return made


def of_bytes():
    """A quantised model: layers on bytes, an operation of com.microsoft, scales of an axis, a table."""
    constants = [
        TensorProto(name="s", data_type=FLOAT, float_data=[0.05]),
        TensorProto(name="z", data_type=TensorProto.INT8, int32_data=[-3]),
        TensorProto(name="w", data_type=TensorProto.INT8, dims=[2, 2], raw_data=bytes([1, 255, 3, 4])),
        TensorProto(name="ws", data_type=FLOAT, dims=[2], float_data=[0.5, 0.25]),
        TensorProto(name="b", data_type=TensorProto.INT32, dims=[2], int32_data=[5, -5]),
    ]
    nodes = [
        node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "n"),
        node("DequantizeLinear", "w ws", "k", axis=0), node("DequantizeLinear", "b ws", "c", axis=0),
        node("Gemm", "n k c", "m", transB=1), node("Relu", "m", "r"), node("QuantizeLinear", "r s z", "p"),
        helper.make_node("QLinearAdd", [*"qszpszsz"], ["a"], domain="com.microsoft"),
        helper.make_node("QLinearSigmoid", [*"aszsz"], ["g"], domain="com.microsoft"),
        node("Transpose", "g", "t", perm=[0, 1]), node("DequantizeLinear", "t s z", "y"),
    ]  # fmt: skip
    made = model(nodes, constants)
    made.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return made


def beside(folder):
    """A model whose weights are in a file beside it."""
    (folder / "weights").write_bytes(GOOD)
    tensor = weight(data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "weights"), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return model(USE, [tensor])


def learning():
    """Operations of ai.onnx.ml whose attributes do not fit."""
    for op, given in (
        ("Scaler", {}), ("Scaler", {"scale": [1.0] * 5, "offset": [1.0, 2.0]}),
        ("Normalizer", {"norm": "evil"}),
        ("LinearRegressor", {}), ("LinearRegressor", {"coefficients": [1.0] * 5, "targets": 2}),
        ("LinearRegressor", {"coefficients": [1.0], "targets": HUGE}),
        ("LinearRegressor", {"coefficients": [1.0], "targets": -1}),
        ("LinearClassifier", {"coefficients": [1.0]}),
        ("LinearClassifier", {"coefficients": [1.0] * 4, "classlabels_strings": ["a", "b"]}),
        ("LinearClassifier", {"coefficients": [1.0] * 4, "classlabels_ints": [1, 2], "intercepts": [1.0]}),
        ("LabelEncoder", {}), ("LabelEncoder", {"keys_int64s": [1], "values_int64s": [1, 2]}),
        ("LabelEncoder", {"keys_int64s": [1], "values_strings": ["\x1b[31m"]}),
        ("LabelEncoder", {"keys_floats": [1.0], "keys_int64s": [1], "values_int64s": [1]}),
        ("LabelEncoder", {"keys_strings": ["a"], "values_int64s": [1]}),
        ("OneHotEncoder", {}), ("OneHotEncoder", {"cats_int64s": [HUGE]}), ("Imputer", {}), ("ZipMap", {}),
        ("Imputer", {"imputed_value_floats": [1.0] * 7}), ("Evil", {}),
    ):  # fmt: skip
        for version in (1, 2, 4, HUGE):
            made = model([helper.make_node(op, ["x"], ["y"], domain="ai.onnx.ml", **given)])
            yield made
            made.opset_import.append(helper.make_opsetid("ai.onnx.ml", version))
            yield made
    words = TensorProto(name="w", data_type=TensorProto.STRING, dims=[2], string_data=[b"a", b"\xff"])
    for dims in ([2], [HUGE], [-1], [3]):
        del words.dims[:]
        words.dims.extend(dims)
        yield model(
            [helper.make_node("ArrayFeatureExtractor", ["w", "i"], ["y"], domain="ai.onnx.ml")], [words]
        )
        yield model([node("Identity", "w", "y")], [words])
        yield model([node("Add", "w x", "y")], [words])


def attributes():
    for opset in (0, 1, 6, 999, HUGE):
        yield model([node("Relu", "x", "y")], opset=opset)
    for op, given in (
        ("LeakyRelu", {"alpha": "x"}), ("Softmax", {"axis": HUGE}), ("Softmax", {"axis": 1.5}),
        ("Flatten", {"axis": -99}), ("Concat", {}), ("Transpose", {"perm": [0, 0]}),
        ("Transpose", {"perm": [HUGE]}), ("Cast", {"to": 99}), ("Cast", {}), ("Relu", {"evil": 1}),
        ("Gemm", {"alpha": [1.0]}), ("Constant", {}), ("Constant", {"value_float": 1.0, "value_int": 1}),
        ("ReduceSum", {"axes": [7]}), ("Gelu", {"approximate": "evil"}), ("Elu", {"alpha": float("nan")}),
        ("Squeeze", {"axes": [1 << 62]}),
    ):  # fmt: skip
        yield model([node(op, "" if op == "Constant" else "x", "y", **given)])
    yield model([node("Evil", "x", "y", domain="com.example")])


def growing():
    """What takes much to compute is not to be computed on the way in."""
    shape = TensorProto(name="s", data_type=INT64, dims=[2], int64_data=[HUGE, HUGE])
    for op in ("Reshape", "Expand", "Tile", "OneHot", "Pad", "Slice", "TopK", "Split", "GatherND", "Range"):
        yield model([node(op, "x s", "y")], [shape])
        yield model([node(op, "x s s", "y")], [shape])
        yield model([node(op, "s s s", "y")], [shape])
        yield model([node(op, "w s s s", "y")], [shape, weight(raw_data=GOOD)])
    for equation in (
        "",
        "->",
        "ii->i",
        "ij,jk,kl,lm->im",
        "...",
        "a,b",
        "abcdefghijklm->a",
        "ij->ijk",
        ",,,",
        "é",
    ):
        for inputs in ("x", "x x", "w w", "w w w"):
            yield model([node("Einsum", inputs, "y", equation=equation)], [weight(raw_data=GOOD)])
    yield model([node("ConstantOfShape", "s", "y")], [shape])
    yield model([node("Gather", "w s", "y")], [shape, weight(raw_data=GOOD)])
    names = ["w", *(f"c{i}" for i in range(60))]
    doubling = [node("Concat", f"{a} {a}", b, axis=0) for a, b in itertools.pairwise(names)]
    yield model([*doubling, node("MatMul", f"x {names[-1]}", "y")], [weight(raw_data=GOOD)])
    zero = TensorProto(name="zero", data_type=INT64, dims=[1], int64_data=[0])
    outer = [node("Unsqueeze", "w zero", "u"), node("Mul", "w u", "y")]
    yield model(outer, [weight(raw_data=GOOD), zero])
    chain = [node("Identity", f"v{i}" if i else "x", f"v{i + 1}") for i in range(3000)]
    yield model([*chain, node("Relu", "v3000", "y")])


def field(number, content):
    """A field of Protocol Buffers that holds bytes."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def wires():
    for depth in (20, 60, 2000):
        graph = b""
        for _ in range(depth):  # a graph in the attribute of a node in a graph
            graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph)))
        yield b"\x08\x09" + field(7, graph) + field(8, b"\x10\x11")
    yield b"\x08\x09" + b"\x3a\x80\x80\x80\x80\x08" + bytes(64)
    yield b"\x08\x09" + b"\x3a\x02\x0a\x00" * 200_000
    yield b"\x08\x09\x3a" + b"\xff" * 12
    yield b"\x08\x09\x42\x02\x10\x11" * 100_000
