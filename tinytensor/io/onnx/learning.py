"""The operations of ai.onnx.ml that linear models, networks and what stands before them need, as other steps.

Source: the operators of ai.onnx.ml; they compute in float32 whatever comes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io.onnx.program import Program, Step

__all__ = ["LEARNING"]

POST = {"NONE": "Identity", "LOGISTIC": "Sigmoid", "SOFTMAX": "Softmax"}


class Steps:
    """The steps that take the place of one."""

    def __init__(self, program: Program, step: Step):
        self.program, self.step, self.made = program, step, list[Step]()

    def constant(self, values: Any, dtype: str = "float32") -> str:
        """A constant; its name."""
        return self.program.constant(self.step, np.array(values, dtype))

    def add(self, op: str, *inputs: str, result: str = "", **attributes: Any) -> str:
        """One more; the name of its result."""
        result = result or self.program.name(self.step)
        self.made.append(Step(self.step.node, op, list(inputs), [result], attributes))
        return result

    def float32(self, x: str) -> str:
        """X in float32; an input that is said to be that is taken as it comes."""
        known = self.program.inputs.get(x)
        return x if known is not None and known.dtype == "float32" else self.add("Cast", x, to="float32")


def scaler(program: Program, step: Step) -> list[Step]:
    """(x - offset) · scale."""
    steps = Steps(program, step)
    x = steps.float32(step.inputs[0])
    moved = steps.add("Sub", x, steps.constant(step.attributes.get("offset", [0.0])))
    scale = steps.constant(step.attributes.get("scale", [1.0]))
    steps.add("Mul", moved, scale, result=step.outputs[0])
    return steps.made


def normalizer(program: Program, step: Step) -> list[Step]:
    """Rows by their largest element, the sum of absolute values, or their length."""
    norm = step.attributes.get("norm", "MAX")
    if norm not in ("MAX", "L1", "L2"):
        raise ModelFormatError(f"{step.node}: expected MAX, L1 or L2 as the norm, got {norm!r:.80}")
    steps = Steps(program, step)
    steps.add("Normalizer", steps.float32(step.inputs[0]), result=step.outputs[0], norm=norm)
    return steps.made


def rows_of(step: Step, rows: int) -> Any:
    """The coefficients as so many rows, and the intercepts."""
    coefficients, intercepts = (step.attributes.get(name) or [] for name in ("coefficients", "intercepts"))
    count = len(coefficients)
    if not 1 <= rows <= count or count % rows or len(intercepts) not in (0, rows):
        raise ModelFormatError(
            f"{step.node}: {count} coefficients and {len(intercepts)} intercepts do not fit {rows} rows"
        )
    offsets = np.array(intercepts, np.float32) if intercepts else np.zeros(rows, np.float32)
    return np.array(coefficients, np.float32).reshape(rows, -1), offsets


def after(step: Step) -> str:
    """The operation after the products."""
    transform = step.attributes.get("post_transform", "NONE")
    if transform not in POST:
        raise UnsupportedOp(f"post_transform {transform!r:.40}; NONE, LOGISTIC or SOFTMAX would help")
    return POST[transform]


def linear_regressor(program: Program, step: Step) -> list[Step]:
    """X Wᵀ + b."""
    coefficients, intercepts = rows_of(step, step.attributes.get("targets", 1))
    steps = Steps(program, step)
    operands = steps.float32(step.inputs[0]), steps.constant(coefficients), steps.constant(intercepts)
    steps.add(after(step), steps.add("Gemm", *operands, transB=1), result=step.outputs[0])
    return steps.made


def linear_classifier(program: Program, step: Step) -> list[Step]:
    """The class of the largest of X Wᵀ + b, and these numbers or what is made of them."""
    strings = step.attributes.get("classlabels_strings") or []
    labels = list(range(len(strings))) or step.attributes.get("classlabels_ints") or []
    rows = len(step.attributes.get("intercepts") or labels)
    if rows != len(labels) or rows < 2:
        raise UnsupportedOp(f"{rows} rows for {len(labels)} classes; one row for each class would help")
    coefficients, intercepts = rows_of(step, rows)
    steps = Steps(program, step)
    operands = steps.float32(step.inputs[0]), steps.constant(coefficients), steps.constant(intercepts)
    scores = steps.add("Gemm", *operands, transB=1)
    best = steps.add("ArgMax", scores, axis=-1, keepdims=0)
    steps.add("Gather", steps.constant(labels, "int64"), best, result=step.outputs[0])
    if strings:
        program.words[step.outputs[0]] = strings
    if step.outputs[1:] and step.outputs[1]:
        steps.add(after(step), scores, result=step.outputs[1])
    return steps.made


class Side(NamedTuple):
    """The keys or the values of a table, and their dtype."""

    values: list[Any]
    dtype: str


def side(step: Step, what: str) -> Side:
    """The keys or the values, of whatever type."""
    dtypes = {f"{what}_int64s": "int64", f"{what}_floats": "float32", f"{what}_strings": "str"}
    attributes = step.attributes
    found = [Side(attributes[name], dtype) for name, dtype in dtypes.items() if attributes.get(name)]
    tensor = attributes.get(f"{what}_tensor")
    if tensor is not None:
        found.append(Side(tensor.ravel().tolist(), tensor.dtype.name))
    if len(found) != 1:
        raise UnsupportedOp("keys and values that are not of one type each; numbers would help")
    return found[0]


def label_encoder(program: Program, step: Step) -> list[Step]:
    """A table from keys to values; strings are their positions among the values, or among what is read."""
    words = program.words.get(step.inputs[0])
    if step.version < 2:
        classes = Side(step.attributes.get("classes_strings") or [], "str")
        numbered = Side(list(range(len(classes.values))), "int64")
        keys, values = (classes, numbered) if words is not None else (numbered, classes)
    else:
        keys, values = side(step, "keys"), side(step, "values")
    if len(keys.values) != len(values.values) or (keys.dtype == "str") != (words is not None):
        raise UnsupportedOp("keys and values that do not fit what is read; numbers would help")
    default = default_of(step, values.dtype)
    if words is not None:
        pairs = [(words.index(k), v) for k, v in zip(keys.values, values.values, strict=True) if k in words]
        keys = Side([key for key, _ in pairs], "int64")
        values = values._replace(values=[value for _, value in pairs])
    if values.dtype == "str":
        strings = list(dict.fromkeys([*values.values, default]))
        program.words[step.outputs[0]] = strings
        default, values = strings.index(default), Side([*map(strings.index, values.values)], "int64")
    steps = Steps(program, step)
    tables = [steps.constant(*each) for each in (keys, values, Side([default], values.dtype))]
    steps.add("LabelEncoder", step.inputs[0], *tables, result=step.outputs[0])
    return steps.made


def default_of(step: Step, dtype: str) -> Any:
    """What stands for a key that is not in the table."""
    tensor = step.attributes.get("default_tensor")
    if tensor is not None and tensor.size == 1:
        return tensor.item()
    if dtype == "str":
        return step.attributes.get("default_string", "_Unused")
    floating = step.attributes.get("default_float", -0.0)
    return floating if dtype.startswith("float") else step.attributes.get("default_int64", -1)


def one_hot_encoder(program: Program, step: Step) -> list[Step]:
    """1 for the category that each element is, along a new axis."""
    if not step.attributes.get("cats_int64s"):
        raise UnsupportedOp("categories that are strings; numbers would help")
    steps = Steps(program, step)
    x = steps.add("Cast", step.inputs[0], to="int64")
    categories = steps.constant(step.attributes["cats_int64s"], "int64")
    zeros = step.attributes.get("zeros", 1)
    steps.add("OneHotEncoder", x, categories, result=step.outputs[0], zeros=zeros)
    return steps.made


def imputer(program: Program, step: Step) -> list[Step]:
    """Other numbers in the place of one that stands for a missing one, often NaN."""
    steps, attributes, x = Steps(program, step), step.attributes, step.inputs[0]
    if attributes.get("imputed_value_int64s"):
        imputed = steps.constant(attributes["imputed_value_int64s"], "int64")
        replaced, dtype = attributes.get("replaced_value_int64", 0), "int64"
    else:
        x = steps.float32(x)
        imputed = steps.constant(attributes.get("imputed_value_floats") or [], "float32")
        replaced, dtype = attributes.get("replaced_value_float", 0.0), "float32"
    missing = (
        steps.add("IsNaN", x)
        if replaced != replaced
        else steps.add("Equal", x, steps.constant(replaced, dtype))
    )
    steps.add("Where", missing, imputed, x, result=step.outputs[0])
    return steps.made


def binarizer(program: Program, step: Step) -> list[Step]:
    """1 above the threshold, else 0."""
    steps = Steps(program, step)
    x = steps.float32(step.inputs[0])
    above = steps.add("Greater", x, steps.constant(step.attributes.get("threshold", 0.0)))
    steps.add("CastLike", above, step.inputs[0], result=step.outputs[0])
    return steps.made


def zip_map(program: Program, step: Step) -> list[Step]:
    """A dictionary for each sample has a column for each class in the array that it is made of."""
    labels = step.attributes.get("classlabels_strings") or step.attributes.get("classlabels_int64s") or []
    listed = ", ".join(map(repr, labels))
    program.note(
        f"output {step.outputs[0]!r:.80}: dictionaries become an array with the columns [{listed:.400}]"
    )
    return [Step(step.node, "Identity", step.inputs[:1], step.outputs)]


def feature_extractor(program: Program, step: Step) -> None:
    """Columns by their indices."""
    step.op = "ArrayFeatureExtractor"


Change = Callable[[Program, Step], list[Step] | None]

# By name, the version of the last definition that was read when this was written, and what takes its place.
LEARNING: dict[str, tuple[int, Change]] = {
    "ArrayFeatureExtractor": (1, feature_extractor),
    "Binarizer": (1, binarizer),
    "Imputer": (1, imputer),
    "LabelEncoder": (4, label_encoder),
    "LinearClassifier": (1, linear_classifier),
    "LinearRegressor": (1, linear_regressor),
    "Normalizer": (1, normalizer),
    "OneHotEncoder": (1, one_hot_encoder),
    "Scaler": (1, scaler),
    "ZipMap": (1, zip_map),
}
