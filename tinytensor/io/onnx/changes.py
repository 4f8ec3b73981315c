"""What undoes the differences between the definitions of an operation: each change gives it its newest form.

Source: the operator changelog of ONNX.
"""

from collections.abc import Callable

import numpy as np

from tinytensor.errors import UnsupportedOp
from tinytensor.io.onnx.microsoft import convolution, dequantized, matmul, quantized
from tinytensor.io.onnx.program import HALVES_HELP, WIDENED, Program, Step
from tinytensor.io.onnx.tensors import DTYPES, HALVES

__all__ = ["CHANGES"]

# Changes a step in place, or gives those that take its place.
Change = Callable[[Program, Step], list[Step] | None]


def aligned_at_the_end(program: Program, step: Step) -> None:
    """Until opset 6 broadcasting had to be asked for, and B could be aligned with any axis of A."""
    if step.attributes.pop("broadcast", 0) and "axis" in step.attributes:
        raise UnsupportedOp("broadcasting along an axis; opset 7 or later would help")
    step.attributes.pop("axis", None)


def slopes_of_channels(program: Program, step: Step) -> None:
    """Until opset 6 the slopes of PRelu were those of axis 1, as our layer's."""
    if step.version < 7:
        slope = program.constants.get(step.inputs[1])
        if slope is None or slope.ndim != 1:
            raise UnsupportedOp("slopes that are computed; opset 7 or later would help")
        step.op, step.inputs, step.parameters = "PReLU", step.inputs[:1], {"weight": slope}


def axes_as_input(program: Program, step: Step) -> None:
    """Axes were an attribute: Squeeze and Unsqueeze until 12, ReduceSum too, other reductions until 17."""
    if "axes" in step.attributes:
        step.inputs.append(program.constant(step, np.array(step.attributes.pop("axes"), np.int64)))


def bounds_as_inputs(program: Program, step: Step) -> None:
    """Clip's bounds were attributes until opset 10."""
    if step.version < 11:
        for name in ("min", "max"):
            value = step.attributes.pop(name, None)
            step.inputs.append("" if value is None else program.constant(step, np.array(value, np.float32)))


def rows_as_attribute(program: Program, step: Step) -> None:
    """Until opset 12 softmax was over its axis and all after it together, and the axis was 1 by default."""
    if step.version < 13:
        step.attributes = {"axis": step.attributes.get("axis", 1), "flatten": 1}


def ratio_as_input(program: Program, step: Step) -> None:
    """Dropout's ratio was an attribute until opset 11."""
    if step.version < 7 and not step.attributes.pop("is_test", 0):
        raise UnsupportedOp("training; a model exported for inference would help")
    ratio = step.attributes.pop("ratio", None)
    step.attributes.pop("seed", None)
    if step.version < 10 and len(step.outputs) > 1:
        raise UnsupportedOp("a mask of numbers; opset 10 or later would help")
    if ratio is not None:
        step.inputs[1:] = [program.constant(step, np.array(ratio, np.float32))]
    training = step.inputs[2] if len(step.inputs) > 2 else ""
    if training and not (training in program.constants and not program.constants[training].any()):
        raise UnsupportedOp("training; a model exported for inference would help")


def inference_only(program: Program, step: Step) -> None:
    """BatchNormalization had a mean for every element until opset 8, and trained until 6 and since 14."""
    if step.version < 7 and not step.attributes.pop("is_test", 0):
        raise UnsupportedOp("training; a model exported for inference would help")
    if step.attributes.pop("training_mode", 0) or len([name for name in step.outputs if name]) > 1:
        raise UnsupportedOp("training; a model exported for inference would help")
    if step.attributes.pop("spatial", 1) != 1:
        raise UnsupportedOp("statistics of every element; those of channels would help")
    step.attributes.pop("momentum", None)


def target_by_name(program: Program, step: Step) -> None:
    """Cast's target was a number; how halves and bytes are rounded does not matter for other targets."""
    number = step.attributes["to"]
    to = DTYPES.get(number)
    if to in HALVES:
        if not program.widen:
            raise UnsupportedOp(HALVES_HELP)
        program.note(WIDENED)
        to = "float32"
    if to is None:
        raise UnsupportedOp(
            f"a cast to type {number} of ONNX; float32, float64, integers and bools would help"
        )
    step.attributes = {"to": to}


def as_initializer(program: Program, step: Step) -> list[Step]:
    """A Constant is a constant."""
    kinds = {"value_float": "float32", "value_floats": "float32", "value_int": "int64", "value_ints": "int64"}
    (name, value), *others = step.attributes.items() or [("", None)]
    if others or value is None or (name != "value" and name not in kinds):
        raise UnsupportedOp(f"constants of {name!r:.40}; numbers would help")
    program.constants[step.outputs[0]] = value if name == "value" else np.array(value, kinds[name])
    return []


def only_products(program: Program, step: Step) -> None:
    """Einsum without diagonals: every letter once in a term."""
    for term in step.attributes["equation"].replace(" ", "").partition("->")[0].split(","):
        letters = term.replace("...", "")
        if len(set(letters)) < len(letters):
            raise UnsupportedOp(
                f"a diagonal, {term!r:.40}; an equation with every letter once in a term would help"
            )


def filled(program: Program, step: Step) -> None:
    """ConstantOfShape is one number that is expanded."""
    value = step.attributes.get("value", np.zeros(1, np.float32))
    if value is None or value.size != 1:
        raise UnsupportedOp("a value that is no number; one number would help")
    step.inputs = [program.constant(step, value.reshape(())), *step.inputs]
    step.op, step.attributes = "Expand", {}


def slices_as_inputs(program: Program, step: Step) -> None:
    """Slice's bounds were attributes until opset 9."""
    if step.version < 10:
        for name in ("starts", "ends", "axes"):
            if name in step.attributes:
                step.inputs.append(program.constant(step, np.array(step.attributes.pop(name), np.int64)))


def parts_as_input(program: Program, step: Step) -> None:
    """Split's lengths were an attribute until opset 12; without any, parts are as many as results."""
    if "split" in step.attributes:
        step.inputs.append(program.constant(step, np.array(step.attributes.pop("split"), np.int64)))
    if step.attributes.get("num_outputs", len(step.outputs)) != len(step.outputs):
        raise UnsupportedOp(
            "num_outputs is not the number of outputs; a model that names all of them would help"
        )
    step.attributes["num_outputs"] = len(step.outputs)


def k_as_input(program: Program, step: Step) -> None:
    """TopK's number was an attribute until opset 9."""
    if "k" in step.attributes:
        step.inputs.append(program.constant(step, np.array([step.attributes.pop("k")], np.int64)))


def pads_as_inputs(program: Program, step: Step) -> None:
    """Pad's numbers were attributes until opset 10."""
    if step.version < 11:
        pads, value = step.attributes.pop("pads"), step.attributes.pop("value", 0.0)
        step.inputs.append(program.constant(step, np.array(pads, np.int64)))
        step.inputs.append(program.constant(step, np.array(value, np.float32)))


def few_axes(program: Program, step: Step) -> None:
    """Images have one or two spatial axes; what says so is a kernel, or the shape of an operand."""
    shapes = [array.shape for name in step.inputs[1:2] if (array := program.constants.get(name)) is not None]
    shapes += [value.shape for name in step.inputs[:2] if (value := program.inputs.get(name)) and value.shape]
    ranks = {len(shape) - 2 for shape in shapes}
    if step.attributes.get("kernel_shape"):
        ranks.add(len(step.attributes["kernel_shape"]))
    if max(ranks, default=2) > 2:
        raise UnsupportedOp(f"{max(ranks)} spatial axes; one or two would help")
    if any(step.outputs[1:]):
        step.attributes["indices"] = 1


def as_resize(program: Program, step: Step) -> None:
    """Upsample, and Resize until opset 10, had scales only, an attribute until 8, and one rounding."""
    if step.op == "Upsample" and step.version < 7:
        height, width = step.attributes.pop("height_scale"), step.attributes.pop("width_scale")
        step.attributes["scales"] = [1.0, 1.0, height, width]
        mode = step.attributes.get("mode", "nearest")
        step.attributes["mode"] = "linear" if mode == "bilinear" else mode
    if "scales" in step.attributes:
        step.inputs.append(program.constant(step, np.array(step.attributes.pop("scales"), np.float32)))
    if step.op == "Upsample" or step.version < 11:
        step.op, step.inputs = "Resize", [step.inputs[0], "", step.inputs[1]]
        step.attributes |= {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "simple"}


def scales_of_groups(program: Program, step: Step) -> None:
    """GroupNormalization had a number for every group until opset 20, and has one for every channel since."""
    step.attributes.pop("stash_type", None)
    if step.version < 21:
        step.attributes["per_group"] = 1


def without(*names: str) -> Change:
    """Attributes that say how other types than ours are computed."""

    def change(program: Program, step: Step) -> None:
        for name in names:
            step.attributes.pop(name, None)

    return change


CHANGES: dict[str, Change] = {
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "Pow", "Gemm", "And", "Or", "Xor", "Equal", "Greater", "Less"),
        aligned_at_the_end,
    ),
    **dict.fromkeys(
        ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
         "ReduceProd", "ReduceSum", "ReduceSumSquare", "Squeeze", "Unsqueeze"),
        axes_as_input,
    ),
    **dict.fromkeys(("AveragePool", "Conv", "ConvTranspose", "MaxPool"), few_axes),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), rows_as_attribute),
    "BatchNormalization": inference_only,
    "Cast": target_by_name,
    "CastLike": without("saturate", "round_mode"),
    "Clip": bounds_as_inputs,
    "Constant": as_initializer,
    "ConstantOfShape": filled,
    "DequantizeLinear": dequantized,
    "Dropout": ratio_as_input,
    "Einsum": only_products,
    "GroupNormalization": scales_of_groups,
    "LayerNormalization": without("stash_type"),
    "PRelu": slopes_of_channels,
    "Pad": pads_as_inputs,
    "QLinearConv": convolution,
    "QLinearMatMul": matmul,
    "QuantizeLinear": quantized,
    "RMSNormalization": without("stash_type"),
    "Range": without("stash_type"),
    **dict.fromkeys(("Resize", "Upsample"), as_resize),
    "Slice": slices_as_inputs,
    "Split": parts_as_input,
    "TopK": k_as_input,
}  # fmt: skip
