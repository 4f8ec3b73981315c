"""What is known of every value before anything is computed: its dtype, and its shape as far as it is told."""

import math
from collections.abc import Callable

from tinytensor.io.onnx.program import Program, Step, Value
from tinytensor.io.onnx.tensors import HALVES

__all__ = ["Values", "values_of"]

Values = dict[str, Value]
Shape = tuple[int | None, ...] | None
MAX_RANK = 64
Rule = Callable[[Program, Step, list[Value]], Value]


def values_of(program: Program) -> Values:
    """The inputs, the constants, and every step's results."""
    found = {
        name: Value("float32" if v.dtype in HALVES else v.dtype, v.shape)
        for name, v in program.inputs.items()
    }
    found |= {name: Value(array.dtype.name, array.shape) for name, array in program.constants.items()}
    for step in program.steps:
        operands = [found[name] for name in step.inputs if name]
        result = RULES.get(step.op, like_first)(program, step, operands)
        for name in step.outputs:
            found[name] = result
        if step.op == "Dropout" and len(step.outputs) > 1:
            found[step.outputs[1]] = Value("bool", result.shape)
    return found


def like_first(program: Program, step: Step, operands: list[Value]) -> Value:
    """Elementwise."""
    return operands[0]


def broadcast(program: Program, step: Step, operands: list[Value]) -> Value:
    """Elementwise, with broadcasting."""
    shapes = [each.shape for each in operands if each.shape is not None]
    if len(shapes) < len(operands):
        return Value(operands[0].dtype, None)
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    lengths = [length_of(column) for column in zip(*padded, strict=True)]
    return Value(operands[0].dtype, tuple(lengths))


def length_of(lengths: tuple[int | None, ...]) -> int | None:
    """What lengths broadcast to."""
    others = {n for n in lengths if n != 1}
    return 1 if not others else others.pop() if len(others) == 1 else None


def compare(program: Program, step: Step, operands: list[Value]) -> Value:
    """Bools of the shape that both broadcast to."""
    return Value("bool", broadcast(program, step, operands).shape)


def select(program: Program, step: Step, operands: list[Value]) -> Value:
    """The second and the third, where the first says so."""
    return Value(operands[1].dtype, broadcast(program, step, operands).shape)


def matmul(program: Program, step: Step, operands: list[Value]) -> Value:
    """NumPy's product."""
    a, b = (each.shape for each in operands)
    if a is None or b is None or not a or not b:
        return Value(operands[0].dtype, None)
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    if len(a) <= 2 and len(b) <= 2:
        return Value(operands[0].dtype, rows + columns)
    stack = a[:-2] if len(b) <= 2 else (None,) * (max(len(a), len(b)) - 2)
    return Value(operands[0].dtype, stack + rows + columns)


def gemm(program: Program, step: Step, operands: list[Value]) -> Value:
    """Always a matrix."""
    b = operands[1].shape
    columns = None if b is None or len(b) != 2 else b[0 if step.attributes.get("transB") else 1]
    return Value(operands[0].dtype, (None, columns))


def cast(program: Program, step: Step, operands: list[Value]) -> Value:
    """Another dtype."""
    return Value(step.attributes["to"], operands[0].shape)


def of_rank(rank: int | None, dtype: str) -> Value:
    """A value of which only the number of axes is known, or not even that."""
    return Value(dtype, None if rank is None or not 0 <= rank <= MAX_RANK else (None,) * rank)


def flatten(program: Program, step: Step, operands: list[Value]) -> Value:
    """Two axes."""
    shape, axis = operands[0].shape, step.attributes.get("axis", 1)
    if shape is None or axis < 0:
        return of_rank(2, operands[0].dtype)
    return Value(operands[0].dtype, (product(shape[:axis]), product(shape[axis:])))


def product(lengths: tuple[int | None, ...]) -> int | None:
    """The number of elements, if it is known."""
    known = [n for n in lengths if n is not None]
    return math.prod(known) if len(known) == len(lengths) else None


def reshape(program: Program, step: Step, operands: list[Value]) -> Value:
    """As the second operand says, if it is a constant."""
    wanted, source = program.constants.get(step.inputs[1]), operands[0].shape
    if wanted is None or wanted.size > MAX_RANK:
        return Value(operands[0].dtype, None)
    lengths: list[int | None] = [int(n) for n in wanted.ravel()]
    if not step.attributes.get("allowzero"):
        kept = (None,) * len(lengths) if source is None else source + (None,) * len(lengths)
        lengths = [kept[i] if n == 0 else n for i, n in enumerate(lengths)]
    return Value(operands[0].dtype, tuple(None if n == -1 else n for n in lengths))


def squeeze(program: Program, step: Step, operands: list[Value]) -> Value:
    """Fewer axes."""
    axes = program.constants.get(step.inputs[1]) if len(step.inputs) > 1 else None
    shape = operands[0].shape
    return of_rank(None if shape is None or axes is None else len(shape) - axes.size, operands[0].dtype)


def unsqueeze(program: Program, step: Step, operands: list[Value]) -> Value:
    """More axes."""
    axes, shape = program.constants.get(step.inputs[1]), operands[0].shape
    return of_rank(None if shape is None or axes is None else len(shape) + axes.size, operands[0].dtype)


def reduction(program: Program, step: Step, operands: list[Value]) -> Value:
    """The same number of axes, or fewer."""
    dtype = "int64" if step.op == "ArgMax" else operands[0].dtype
    shape = operands[0].shape
    if step.attributes.get("keepdims", 1):
        return of_rank(None if shape is None else len(shape), dtype)
    if step.op == "ArgMax":
        return of_rank(None if shape is None else len(shape) - 1, dtype)
    return Value(dtype, None)


def transpose(program: Program, step: Step, operands: list[Value]) -> Value:
    """The axes in another order."""
    shape, perm = operands[0].shape, step.attributes.get("perm")
    if shape is None or (perm is not None and sorted(perm) != list(range(len(shape)))):
        return Value(operands[0].dtype, None)
    return Value(operands[0].dtype, shape[::-1] if perm is None else tuple(shape[i] for i in perm))


def concat(program: Program, step: Step, operands: list[Value]) -> Value:
    """As many axes as the first."""
    return of_rank(None if operands[0].shape is None else len(operands[0].shape), operands[0].dtype)


def gather(program: Program, step: Step, operands: list[Value]) -> Value:
    """One axis becomes those of the indices."""
    shapes = [each.shape for each in operands]
    ranks = [len(shape) for shape in shapes if shape is not None]
    return of_rank(sum(ranks) - 1 if len(ranks) == 2 else None, operands[0].dtype)


def lengths(program: Program, step: Step, operands: list[Value]) -> Value:
    """One axis of int64."""
    return Value("int64", (None,))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"), broadcast),
    **dict.fromkeys(("Greater", "GreaterOrEqual", "Less", "LessOrEqual"), compare),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ArgMax"), reduction),
    "Cast": cast,
    "Concat": concat,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": gemm,
    "MatMul": matmul,
    "Reshape": reshape,
    "Shape": lengths,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "Where": select,
}  # fmt: skip
