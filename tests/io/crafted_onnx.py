"""ONNX models that lie, point to other files, go round in circles or grow."""

HUGE = 1 << 40


def field(number, content):
    """A field of Protocol Buffers that holds bytes."""
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content


def onnx(folder):
    from onnx import TensorProto, helper

    F = TensorProto.FLOAT

    def model(nodes, weights=(), opset=17, inputs=None, outputs=("y",)):
        names = inputs if inputs is not None else ["x"]
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info(name, F, [None, 2]) for name in names],
            [helper.make_tensor_value_info(name, F, None) for name in outputs], list(weights),
        )  # fmt: skip
        return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", opset)])

    def weight(**fields):
        tensor = TensorProto(name="w", data_type=F, dims=[2, 2])
        for name, value in fields.items():
            if isinstance(value, list):
                del getattr(tensor, name)[:]
                getattr(tensor, name).extend(value)
            else:
                setattr(tensor, name, value)
        return tensor

    use = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    good = bytes(16)
    for dims in ([HUGE, HUGE], [-1, 4], [1 << 62, 4], [0, HUGE], [5], [], [1] * 100, [2, 2, 1 << 30]):
        yield model(use, [weight(dims=dims, raw_data=good)]).SerializeToString()
        yield model(use, [weight(dims=dims)]).SerializeToString()
    for kind in (0, 8, 14, 16, 17, 99, 1 << 30):
        yield model(use, [weight(data_type=kind, raw_data=good)]).SerializeToString()
    yield model(use, [weight(raw_data=good, float_data=[1.0] * 4)]).SerializeToString()
    yield model(use, [weight(float_data=[1.0] * 3)]).SerializeToString()
    yield model(use, [weight(int32_data=[1] * 4)]).SerializeToString()
    yield model(use, [weight(raw_data=good), weight(raw_data=good)]).SerializeToString()
    link = folder / "link"
    if not link.exists():
        link.symlink_to("/etc/hostname")
    for location in (
        "secret",
        "/etc/hostname",
        "../secret",
        str(folder / "secret"),
        "link",
        ".",
        "",
        "a\0b",
        "file:///etc/hostname",
        "~",
    ):
        tensor = weight(data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", "0"), ("length", "16")):
            tensor.external_data.add(key=key, value=value)
        yield model(use, [tensor]).SerializeToString()
    yield model([helper.make_node("Relu", ["y"], ["y"])]).SerializeToString()
    yield model(
        [helper.make_node("Add", ["x", "z"], ["y"]), helper.make_node("Add", ["y", "x"], ["z"])]
    ).SerializeToString()
    yield model(
        [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Tanh", ["x"], ["y"])]
    ).SerializeToString()
    yield model([], outputs=("x",)).SerializeToString()
    yield model([], outputs=()).SerializeToString()
    yield model([helper.make_node("Relu", ["x"], ["y"])], inputs=[]).SerializeToString()
    yield model([helper.make_node("Relu", ["x"], ["y"])], inputs=["x", "x"]).SerializeToString()
    yield model([helper.make_node("Relu", [], ["y"])]).SerializeToString()
    yield model([helper.make_node("Relu", ["x", "x", "x"], ["y", "z"])]).SerializeToString()
    yield model([helper.make_node("Gemm", ["x"], ["y"])]).SerializeToString()
    for opset in (0, 1, 6, 999, 1 << 40):
        yield model([helper.make_node("Relu", ["x"], ["y"])], opset=opset).SerializeToString()
    for name, attributes in (
        ("LeakyRelu", {"alpha": "x"}), ("Softmax", {"axis": 1 << 40}), ("Softmax", {"axis": 1.5}),
        ("Flatten", {"axis": -99}), ("Concat", {}), ("Transpose", {"perm": [0, 0]}),
        ("Transpose", {"perm": [1 << 40]}), ("Cast", {"to": 99}), ("Cast", {}), ("Relu", {"evil": 1}),
        ("Gemm", {"alpha": [1.0]}), ("Constant", {}), ("Constant", {"value_float": 1.0, "value_int": 1}),
        ("ReduceSum", {"axes": [7]}), ("Gelu", {"approximate": "evil"}), ("Elu", {"alpha": float("nan")}),
        ("Squeeze", {"axes": [1 << 62]}),
    ):  # fmt: skip
        yield model(
            [helper.make_node(name, [] if name == "Constant" else ["x"], ["y"], **attributes)]
        ).SerializeToString()
    yield model([helper.make_node("Evil", ["x"], ["y"], domain="com.example")]).SerializeToString()
    shape = TensorProto(name="s", data_type=TensorProto.INT64, dims=[2], int64_data=[HUGE, HUGE])
    for op in ("Reshape", "Expand", "Tile"):
        yield model([helper.make_node(op, ["x", "s"], ["y"])], [shape]).SerializeToString()
    yield model([helper.make_node("ConstantOfShape", ["s"], ["y"])], [shape]).SerializeToString()
    yield model(
        [helper.make_node("Gather", ["w", "s"], ["y"])], [shape, weight(raw_data=good)]
    ).SerializeToString()
    doubling, last = [], "w"
    for i in range(60):  # folding constants must not follow
        doubling.append(helper.make_node("Concat", [last, last], [f"c{i}"], axis=0))
        last = f"c{i}"
    yield model(
        [*doubling, helper.make_node("MatMul", ["x", last], ["y"])], [weight(raw_data=good)]
    ).SerializeToString()
    outer = helper.make_node("Unsqueeze", ["w", "s1"], ["u"]), helper.make_node("Mul", ["w", "u"], ["y"])
    ones = TensorProto(name="s1", data_type=TensorProto.INT64, dims=[1], int64_data=[0])
    yield model(list(outer), [weight(raw_data=good), ones]).SerializeToString()
    for depth in (20, 60, 2000):
        graph = b""
        for _ in range(depth):  # a graph in the attribute of a node in a graph
            graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph)))
        yield b"\x08\x09" + field(7, graph) + field(8, b"\x10\x11")
    chain = [helper.make_node("Identity", ["x" if i == 0 else f"v{i}"], [f"v{i + 1}"]) for i in range(3000)]
    yield model([*chain, helper.make_node("Relu", ["v3000"], ["y"])]).SerializeToString()
    yield b"\x08\x09" + b"\x3a\x80\x80\x80\x80\x08" + bytes(64)
    yield b"\x08\x09" + b"\x3a\x02\x0a\x00" * 200_000
    yield b"\x08\x09\x3a" + b"\xff" * 12
    yield b"\x08\x09\x42\x02\x10\x11" * 100_000
