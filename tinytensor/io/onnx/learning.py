"""The operations of ai.onnx.ml that linear models, networks and what stands before them need, as other steps.

Source: the operators of ai.onnx.ml; they compute in float32 whatever comes.
"""

from collections.abc import Callable
from typing import Any

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
    coefficients = np.array(step.attributes["coefficients"], np.float32)
    intercepts = np.array(step.attributes.get("intercepts") or [0.0] * rows, np.float32)
    if rows < 1 or coefficients.size % rows or not coefficients.size or intercepts.size != rows:
        raise ModelFormatError(
            f"{step.node}: {coefficients.size} coefficients and {intercepts.size} intercepts do not fit "
            f"{rows} rows"
        )
    return coefficients.reshape(rows, -1), intercepts


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


def given(step: Step, what: str) -> list[Any] | None:
    """Keys or values, of whatever type; None if there are none."""
    attributes = step.attributes
    names = (f"{what}_int64s", f"{what}_floats", f"{what}_strings", f"{what}_tensor")
    found = [attributes[name] for name in names if attributes.get(name) is not None and len(attributes[name])]
    return found[0] if len(found) == 1 else None


def label_encoder(program: Program, step: Step) -> list[Step]:
    """A table from keys to values; strings are their positions among the values, or among what is read."""
    x, words = step.inputs[0], program.words.get(step.inputs[0])
    keys, values = given(step, "keys"), given(step, "values")
    if step.version < 2:
        classes = step.attributes.get("classes_strings") or []
        numbered = list(range(len(classes)))
        keys, values = (classes, numbered) if words is not None else (numbered, classes)
    if keys is None or values is None or len(keys) != len(values):
        raise UnsupportedOp("keys and values that are not of one type each; numbers would help")
    if words is not None:
        pairs = [(words.index(key), value) for key, value in zip(keys, values, strict=True) if key in words]
        keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    default: Any = default_of(step, values)
    if any(isinstance(each, str) for each in [*values, default]):
        strings = list(dict.fromkeys([*values, str(default)]))
        program.words[step.outputs[0]] = strings
        values, default = [strings.index(each) for each in values], strings.index(str(default))
    steps = Steps(program, step)
    dtypes = [
        "float32" if any(isinstance(each, float) for each in side) else "int64" for side in (keys, values)
    ]
    tables = [np.array(side, dtype) for side, dtype in zip((keys, values), dtypes, strict=True)]
    if any(table.ndim != 1 for table in tables):
        raise UnsupportedOp("keys or values that are no numbers; numbers would help")
    operands = [steps.constant(table, table.dtype.name) for table in tables]
    steps.add("LabelEncoder", x, *operands, steps.constant([default], dtypes[1]), result=step.outputs[0])
    return steps.made


def default_of(step: Step, values: list[Any]) -> Any:
    """What stands for a key that is not in the table."""
    attributes = step.attributes
    if attributes.get("default_tensor") is not None:
        return attributes["default_tensor"].ravel()[0].item()
    if any(isinstance(each, str) for each in values):
        return attributes.get("default_string", "_Unused")
    if any(isinstance(each, float) for each in values):
        return attributes.get("default_float", -0.0)
    return attributes.get("default_int64", -1)


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
