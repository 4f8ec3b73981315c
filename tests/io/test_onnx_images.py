"""Networks of images in ONNX: what is loaded for the nets of MLPerf Tiny, and how steps become layers."""

import math
import pathlib
import runpy

import numpy as np
import pytest

import tinytensor as tt
from tests.naive import gamma, same, within
from tests.sensitivity import error_bound

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

MLPERF = pathlib.Path(__file__).parents[3] / "shared" / "data" / "mlperf_tiny"
RNG = np.random.default_rng(13)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def model_of(nodes, shape, opset=20, **constants):
    """A model of one input x and one output y."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op, reads, [y], **given) for op, reads, y, given in nodes],
        "g",
        [value("x", 1, shape)],
        [value("y", 1, None)],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])


@pytest.mark.parametrize("name", ["kws_ref_model", "pretrainedResnet", "str_ww_ref_model", "vww_96"])
def test_the_convolutional_networks_of_mlperf(name):
    """Within the bound of `tests.sensitivity` for the file of Keras; its batch norms are part of the weights
    here, which makes each of them one or two roundings worse, and spares the norm's eight.
    """
    if not (MLPERF / f"{name}.onnx").is_file():
        pytest.skip("the files of MLPerf Tiny are not beside the repository")
    pytest.importorskip("h5py", reason="h5py is not installed")
    (source,) = (each for each in MLPERF.glob(f"{name}.*") if each.suffix in (".h5", ".keras"))
    model, reference = tt.load(MLPERF / f"{name}.onnx"), np.load(MLPERF / f"{name}_reference.npz")
    x, theirs = reference["x"], reference["y"]
    exact, bound = error_bound(tt.load(source), x)
    within(model(x), exact, 2 * bound)
    within(model(x), theirs, 4 * bound)
    assert np.array_equal(model(x).numpy(), model(x, fused=False).numpy())
    (form,) = model._plan.forms.values()
    assert len(form.stages) == 1
    assert not form.traced.reasons
    kinds = {type(layer).__name__ for layer in model.children().values()}
    assert kinds <= {
        "AvgPool2d", "Conv2d", "Flatten", "Linear", "Operator", "ReLU", "Rescale", "Softmax",
    }  # fmt: skip
    assert all(
        layer.operation in ("Add", "Cast")
        for layer in model.children().values()
        if type(layer) is tt.Operator
    )


def test_what_stands_around_a_convolution_becomes_part_of_it():
    """Transposed, padded, transposed back and a bias added: one Conv2d with its channels last."""
    w, b = normal(4, 3, 3, 3), normal(4)
    nodes = [
        ("Transpose", ["x"], "a", {"perm": [0, 3, 1, 2]}),
        ("Pad", ["a", "pads"], "b", {}),
        ("Conv", ["b", "w"], "c", {"strides": [2, 1], "pads": [0, 1, 0, 1]}),
        ("Transpose", ["c"], "d", {"perm": [0, 2, 3, 1]}),
        ("Add", ["d", "bias"], "e", {}),
        ("Transpose", ["e"], "f", {"perm": [0, 3, 1, 2]}),
        ("MaxPool", ["f"], "g", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Transpose", ["g"], "y", {"perm": [0, 2, 3, 1]}),
    ]
    pads = np.array([0, 0, 1, 0, 0, 0, 2, 0])
    model = tt.from_onnx(model_of(nodes, [None, 9, 8, 3], w=w, pads=pads, bias=b))
    assert repr(model) == repr(
        tt.Sequential(
            ("e", tt.Conv2d(3, 4, 3, (2, 1), ((1, 2), (1, 1)), channels_last=True)),
            ("y", tt.MaxPool2d(2, 2, channels_last=True)),
        )
    )
    x = normal(2, 9, 8, 3)
    expected = tt.max_pool2d(
        tt.conv2d(x.transpose(0, 3, 1, 2), w, b, (2, 1), ((1, 2), (1, 1))), 2
    ).numpy().transpose(0, 2, 3, 1)  # fmt: skip
    assert np.array_equal(model(x).numpy(), expected)


@pytest.mark.parametrize(
    "second",
    [("Pad", ["x", "pads", "one"], "a", {}), ("Pad", ["x", "pads"], "a", {"mode": "edge"}),
     ("Pad", ["x", "cut"], "a", {}), ("Pad", ["x", "channels"], "a", {})],
)  # fmt: skip
def test_a_pad_of_anything_else_stays(second):
    w = normal(4, 3, 3, 3)
    pads = {
        "pads": np.array([0, 0, 1, 0, 0, 0, 2, 0]), "cut": np.array([0, 0, -1, 0, 0, 0, 2, 0]),
        "channels": np.array([0, 1, 0, 0, 0, 0, 0, 0]), "one": np.float32(1),
    }  # fmt: skip
    used = {name: array for name, array in pads.items() if name in second[1]}
    x = normal(2, 2 if "channels" in used else 3, 7, 6)
    proto = model_of([second, ("Conv", ["a", "w"], "y", {})], [None, *x.shape[1:]], w=w, **used)
    model = tt.from_onnx(proto)
    pairs = next(array for name, array in used.items() if name != "one").reshape(2, 4).T
    kept = x[:, :, max(-pairs[2][0], 0) :]
    mode = {"mode": "edge"} if second[3] else {"constant_values": float("one" in used)}
    padded = np.pad(kept, np.maximum(pairs, 0), **mode)
    assert np.array_equal(np.asarray(model(x)), tt.conv2d(padded, w).numpy())


def test_a_transposition_that_something_else_reads_stays():
    w = normal(4, 3, 1, 1)
    nodes = [
        ("Transpose", ["x"], "a", {"perm": [0, 3, 1, 2]}),
        ("Conv", ["a", "w"], "c", {}),
        ("Transpose", ["c"], "d", {"perm": [0, 2, 3, 1]}),
        ("ReduceSum", ["d"], "s", {}),
        ("Add", ["c", "s"], "y", {}),
    ]
    x = normal(1, 3, 3, 3)
    model = tt.from_onnx(model_of(nodes, [1, 3, 3, 3], w=w))
    conv = tt.conv2d(x.transpose(0, 3, 1, 2), w).numpy().astype(float)
    bound = gamma(3, np.float32) * (np.abs(conv) + np.abs(conv).sum())  # the sum is rounded, then the result
    within(model(x), conv + conv.sum(), bound)


@pytest.mark.parametrize("op", ["Conv", "MaxPool"])
def test_three_axes_are_refused(op):
    given = {"kernel_shape": [2, 2, 2]}
    reads = ["x", "w"] if op == "Conv" else ["x"]
    constants = {"w": normal(2, 2, 2, 2, 2)} if op == "Conv" else {}
    with pytest.raises(tt.UnsupportedOp, match=rf"node 0 \({op}\), opset 20: 3 spatial axes"):
        tt.from_onnx(model_of([(op, reads, "y", given)], [1, 2, 4, 4, 4], **constants))


def test_three_axes_that_show_when_the_model_is_called_are_refused():
    operator = tt.Operator("Conv").forward
    with pytest.raises(tt.UnsupportedOp, match="Conv: 3 spatial axes"):
        operator(tt.Tensor(normal(1, 2, 3, 3, 3)), tt.Tensor(normal(2, 2, 1, 1, 1)))


def onnxruntime_of(proto, x):
    ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    proto.ir_version = 8
    return ort.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]


@pytest.mark.parametrize("op", ["Upsample", "Resize"])
@pytest.mark.parametrize("scales", [(2.0, 3.0), (1.5, 1.0), (2.3, 1.7), (1.0, 2.0)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_the_rule_of_resizing_that_old_opsets_do_not_state(op, scales, mode):
    """Two products and a sum an axis, of weights that are rounded from float32 coordinates."""
    x = normal(2, 3, 5, 4)
    constants = {"s": np.array([1, 1, *scales], np.float32)}
    opset = 9 if op == "Upsample" else 10
    proto = model_of([(op, ["x", "s"], "y", {"mode": mode})], [None, 3, 5, 4], opset, **constants)
    bound = 0 if mode == "nearest" else gamma(32, np.float32) * np.abs(x).max()
    within(tt.from_onnx(proto)(x), onnxruntime_of(proto, x), bound)


BETWEEN = {
    "Resize": (["", "scales"], {"mode": "linear"}, {"scales": np.float32([1, 1, 2, 1.5])}),
    "Resize, nearest": (["", "", "sizes"], {"axes": [2, 3]}, {"sizes": np.array([12, 3])}),
    "Resize, cubic": (["", "", "sizes"], {"mode": "cubic"}, {"sizes": np.array([3, 4, 12, 3])}),
    "Resize, to fewer": (["", "", "sizes"], {"mode": "linear", "antialias": 1, "axes": [-2, -1]},
                         {"sizes": np.array([5, 4])}),
    "LRN": ([], {"size": 3, "alpha": 0.1, "beta": 0.5, "bias": 2.0}, {}),
    "Slice": (["start", "end", "axes"], {}, {"start": np.array([1, 0]), "end": np.array([9, -1]),
                                            "axes": np.array([2, -1])}),
    "Pad": (["pads", "value"], {}, {"pads": np.array([0, 0, 1, -2, 0, 0, 0, 3]), "value": np.float32(0.5)}),
    "Pad, reflect": (["pads"], {"mode": "reflect"}, {"pads": np.array([0, 0, 1, 2, 0, 0, 0, 3])}),
    "Pad, wrap": (["pads"], {"mode": "wrap"}, {"pads": np.array([0, 0, 1, 2, 0, 0, 0, 3])}),
}  # fmt: skip


@pytest.mark.parametrize("case", BETWEEN)
def test_a_network_with_it_is_one_program_that_goes_back_to_files(case, tmp_path):
    """Two convolutions of 27 and 16 terms and what is between them: 128 roundings of its largest sum."""
    reads, given, constants = BETWEEN[case]
    w, v = normal(4, 3, 3, 3), normal(5, 4, 2, 2)
    nodes = [
        ("Conv", ["x", "w"], "a", {}), (case.partition(",")[0], ["a", *reads], "b", given),
        ("Relu", ["b"], "c", {}), ("Conv", ["c", "v"], "y", {}),
    ]  # fmt: skip
    proto = model_of(nodes, [3, 3, 9, 8], 19, w=w, v=v, **constants)
    x = normal(3, 3, 9, 8)
    model = tt.from_onnx(proto)
    y = model.predict(x)
    assert np.array_equal(y, model(x, fused=False).numpy())
    (form,) = model._plan.forms.values()
    assert (len(form.stages), form.traced.reasons) == (1, {})
    size = np.abs(x).max() * np.abs(w).sum((1, 2, 3)).max() * np.abs(v).sum((1, 2, 3)).max()
    bound = gamma(128, np.float32) * size
    within(y, onnxruntime_of(proto, x), bound)
    tt.io.save(model, tmp_path / "m.onnx", (3, 9, 8))
    back = onnx.load(tmp_path / "m.onnx")
    assert [node.op_type for node in back.graph.node] == [op for op, *_ in nodes]
    within(tt.load(tmp_path / "m.onnx").predict(x), y, bound)
    tt.io.save(model, tmp_path / "m.py", (3, 9, 8))
    within(runpy.run_path(tmp_path / "m.py")["predict"](x), y, bound)


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax", "ReduceSum"])
def test_folds_of_images_are_in_the_program(op):
    w, x = normal(4, 3, 3, 3), normal(5, 3, 9, 8)
    nodes = [
        ("Conv", ["x", "w"], "a", {}),
        (op, ["a", "axes"], "b", {"keepdims": 0}),
        ("Tanh", ["b"], "y", {}),
    ]
    model = tt.from_onnx(model_of(nodes, [None, 3, 9, 8], w=w, axes=np.array([2, 3])))
    y = model.predict(x)
    assert np.array_equal(y, model(x, fused=False).numpy())
    (form,) = model._plan.forms.values()
    assert (len(form.stages), form.traced.reasons) == (1, {})
    sums = tt.conv2d(x, w).numpy().astype(float)
    fold = {"ReduceMean": np.mean, "ReduceMax": np.max, "ReduceSum": np.sum}[op]
    # the fold is rounded once, tanh has slopes up to 1 and errors of a few units
    within(y, np.tanh(fold(sums, axis=(2, 3))), gamma(8, np.float32) * (1 + np.abs(fold(sums, axis=(2, 3)))))


def test_resizing_is_the_sum_of_neighbours_that_the_formula_has():
    """Linear at half-pixel centres, in plain loops; two products, a sum and a share a side of an axis."""
    x, sizes = normal(2, 3, 5), np.array([2, 3, 8])
    proto = model_of([("Resize", ["x", "", "", "z"], "y", {"mode": "linear"})], [2, 3, 5], 19, z=sizes)
    expected = np.zeros((2, 3, 8))
    for i in range(8):
        place = (i + 0.5) * 5 / 8 - 0.5
        low = math.floor(place)
        share = place - low
        ends = [min(max(low + k, 0), 4) for k in (0, 1)]
        expected[:, :, i] = (1 - share) * x[:, :, ends[0]].astype(float) + share * x[:, :, ends[1]]
    # the coordinate, up to 8, has four roundings of float32, so the share is off by 32 units of roundoff
    bound = (gamma(4, np.float32) + gamma(64, np.float32)) * 2 * np.abs(x).max()
    within(tt.from_onnx(proto)(x), expected, bound)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_local_responses_are_sums_over_the_channels_around(size):
    x, alpha, beta, bias = normal(2, 5, 3, 2), 0.7, 0.75, 1.5
    given = {"size": size, "alpha": alpha, "beta": beta, "bias": bias}
    proto = model_of([("LRN", ["x"], "y", given)], [2, 5, 3, 2], 13)
    expected, wide = np.zeros(x.shape), x.astype(float)
    for c in range(5):
        around = wide[:, max(0, c - (size - 1) // 2) : min(4, c + size // 2) + 1]
        expected[:, c] = wide[:, c] / (bias + alpha / size * (around**2).sum(1)) ** beta
    # of the base size + 3 roundings, of its logarithm (below 4) and exponential a few units each
    within(tt.from_onnx(proto)(x), expected, gamma(size + 32, np.float32) * np.abs(expected))


@pytest.mark.parametrize("bias", [0.0, -1.0])
def test_local_responses_whose_base_may_not_be_positive_are_those_of_onnxruntime(bias):
    x = normal(2, 5, 3, 2)
    proto = model_of([("LRN", ["x"], "y", {"size": 3, "alpha": 0.5, "beta": 2.0, "bias": bias})], x.shape, 13)
    squares = np.pad(x.astype(float) ** 2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    sums = 0.5 / 3 * (squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:])
    base = bias + sums
    expected = x / base**2
    # a power by way of a logarithm, which is off by 2 units, and a product, by 1, loses these 3 units of
    # 2 · log(base); a base that is a difference loses what its terms are larger than it, its square twice as
    # much. ONNX Runtime's sums go along the channels, one square added, one subtracted: all of them are terms
    power = (16 + 6 * np.abs(2 * np.log(np.abs(base)))) * 2.0**-24
    terms = abs(bias) + sums
    rolling = abs(bias) + 0.5 / 3 * np.sum(squares, axis=1, keepdims=True)
    for found, size in ((tt.from_onnx(proto)(x), terms), (onnxruntime_of(proto, x), rolling)):
        within(found, expected, (power + 2 * gamma(16, np.float32) * size / np.abs(base)) * np.abs(expected))


@pytest.mark.parametrize("scales", [(0.5, 0.75), (0.6, 1.0)])
def test_resizing_of_opset_10_to_fewer_pixels(scales):
    x = normal(2, 3, 8, 5)
    constants = {"s": np.array([1, 1, *scales], np.float32)}
    proto = model_of([("Resize", ["x", "s"], "y", {})], [None, 3, 8, 5], 10, **constants)
    assert np.array_equal(np.asarray(tt.from_onnx(proto)(x)), onnxruntime_of(proto, x))


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(
    "given",
    [{"kernel_shape": [2, 3]}, {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 0, 1, 2]},
     {"kernel_shape": [2, 2], "dilations": [2, 3]}, {"kernel_shape": [3], "strides": [2], "ceil_mode": 1},
     {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"}],
)  # fmt: skip
def test_positions_of_the_largest(given, order, tmp_path):
    """Whole numbers, so that a window has several largest ones: the first of them, as ONNX Runtime has it."""
    lengths = (7, 6) if len(given["kernel_shape"]) == 2 else (8,)
    x = RNG.integers(-2, 3, (2, 3, *lengths)).astype(np.float32)
    proto = model_of([("MaxPool", ["x"], "y", given | {"storage_order": order})], [None, 3, *lengths])
    proto.graph.node[0].output.append("where")
    proto.graph.output.append(onnx.helper.make_tensor_value_info("where", 7, None))
    ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    proto.ir_version = 8
    theirs = ort.InferenceSession(proto.SerializeToString()).run(None, {"x": x})
    model = tt.from_onnx(proto)
    tt.io.save(model, tmp_path / "m.onnx")
    tt.io.save(model, tmp_path / "m.py")
    python = runpy.run_path(tmp_path / "m.py")["predict"]
    for ours in (model(x), tt.load(tmp_path / "m.onnx").predict(x), python(x)):
        for a, b in zip(ours, theirs, strict=True):
            same(np.asarray(a), b)


@pytest.mark.parametrize("auto_pad", ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("lengths", [(7,), (7, 6)])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose", "MaxPool", "AveragePool"])
def test_automatic_padding(op, lengths, auto_pad):
    x = normal(2, 4, *lengths)
    given = {"auto_pad": auto_pad, "strides": [2] * len(lengths)}
    terms, constants = np.abs(x).max(), {}
    if op in ("Conv", "ConvTranspose"):
        constants["w"] = normal(*((6, 2) if op == "Conv" else (4, 3)), *[3] * len(lengths))
        given["group"] = 2
        terms = terms * np.abs(constants["w"]).sum()
    else:
        given["kernel_shape"] = [3] * len(lengths)
    proto = model_of([(op, ["x", *constants], "y", given)], [None, *x.shape[1:]], **constants)
    model, theirs = tt.from_onnx(proto), onnxruntime_of(proto, x)
    if op == "Conv" and auto_pad != "SAME_LOWER":
        assert [type(each) for each in model] == [(tt.Conv1d, tt.Conv2d)[len(lengths) - 1]]
    assert model(x).shape == theirs.shape
    within(model(x), theirs, 2 * gamma(40, np.float32) * terms)
    assert np.array_equal(model(x).numpy(), model(x, fused=False).numpy())
