"""Activations that exporters took apart, recognised by what they compute.

A value is looked at as a product, coefficient · v₁ · v₂ · …, so that it does not matter in which order an
exporter multiplies, or whether it divides.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from tinytensor.io.onnx.program import Program, Step
from tinytensor.io.onnx.shapes import Values

__all__ = ["recognise"]

CLOSE = 1e-6  # of constants that were float32
MAX_FACTORS = 8
MAX_DEPTH = 3


class Reader:
    """Looks at values of a program as products and sums."""

    def __init__(self, program: Program, values: Values):
        self.program, self.values = program, values
        self.producer = {name: step for step in program.steps for name in step.outputs[:1]}

    def step(self, name: str, *ops: str) -> Step | None:
        """The step that computes a value, if it is one of these operations."""
        found = self.producer.get(name)
        return found if found is not None and found.op in ops else None

    def operands(self, name: str, op: str) -> list[str]:
        """What the step reads that computes a value, if it is this operation."""
        step = self.step(name, op)
        return step.inputs if step else []

    def number(self, name: str) -> float | None:
        """A constant that is one number, and adds no axes to what it is combined with."""
        array = self.program.constants.get(name)
        return float(array.ravel()[0]) if array is not None and array.size == 1 and array.ndim < 2 else None

    def product(self, name: str, atom: str = "") -> tuple[float, list[str]]:
        """coefficient · v₁ · v₂ · …, in which `atom` is not looked into."""
        coefficient, waiting = 1.0, [name]
        factors: list[str] = []
        while waiting and len(factors) + len(waiting) <= MAX_FACTORS:
            value = waiting.pop()
            known, step = self.number(value), self.step(value, "Mul", "Div", "Pow")
            if known is not None:
                coefficient *= known
            elif step is None or value == atom:
                factors.append(value)
            else:
                a, b = step.inputs
                number = self.number(b)
                if step.op == "Mul":
                    waiting += [a, b]
                elif step.op == "Div" and number:
                    coefficient /= number
                    waiting.append(a)
                elif step.op == "Pow" and number in (2, 3):
                    waiting += [a] * int(number)
                else:
                    factors.append(value)
        return coefficient, sorted(factors + waiting)

    def ratio(self, name: str, *factors: str) -> float | None:
        """c, if the value is c · factor₁ · factor₂ · …, the first of which is not looked into."""
        coefficient, found = self.product(name, factors[0])
        return coefficient if found == sorted(factors) else None

    def plus(self, name: str) -> tuple[float, str]:
        """(c, v), if the value is v + c; else (0, itself)."""
        step = self.step(name, "Add")
        for a, b in others(step.inputs if step else []):
            number = self.number(a)
            if number is not None:
                return number, b
        return 0.0, name

    def arguments(self, name: str, depth: int = MAX_DEPTH) -> Iterator[str]:
        """What the value may be a polynomial of."""
        yield name
        step = self.step(name, "Mul", "Div", "Pow", "Add")
        if step and depth:
            for each in step.inputs:
                if each not in self.program.constants:
                    yield from self.arguments(each, depth - 1)


def close(a: float | None, b: float) -> bool:
    """Whether a constant of the file is b."""
    return a is not None and math.isclose(a, b, rel_tol=CLOSE)


def others(pair: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Two operands in either order."""
    if len(pair) == 2:
        yield pair[0], pair[1]
        yield pair[1], pair[0]


def gelu(reader: Reader, name: str) -> Step | None:
    """½ x (1 + erf(x/√2)), or with tanh(√(2/π) (x + 0.044715 x³)) in the place of erf."""
    for rest in reader.product(name)[1]:
        one, inner = reader.plus(rest)
        step = reader.step(inner, "Erf", "Tanh")
        if step is None or one != 1:
            continue
        for x in reader.arguments(step.inputs[0]):
            if not close(reader.ratio(name, x, rest), 0.5):
                continue
            if step.op == "Erf" and close(reader.ratio(step.inputs[0], x), math.sqrt(0.5)):
                return layer("GELU", x, approximate="none")
            if step.op == "Tanh" and is_cubic(reader, step.inputs[0], x):
                return layer("GELU", x, approximate="tanh")
    return None


def is_cubic(reader: Reader, name: str, x: str) -> bool:
    """√(2/π) (x + 0.044715 x³), or √(2/π) x (1 + 0.044715 x²)."""
    coefficient, factors = reader.product(name, x)
    if not close(coefficient, math.sqrt(2 / math.pi)):
        return False
    if len(factors) == 1:
        step = reader.step(factors[0], "Add")
        pairs = others(step.inputs if step else [])
        return any(a == x and close(reader.ratio(b, x, x, x), 0.044715) for a, b in pairs)
    for a, b in others(factors):
        one, square = reader.plus(b)
        if a == x and one == 1 and close(reader.ratio(square, x, x), 0.044715):
            return True
    return False


def swish(reader: Reader, name: str) -> Step | None:
    """X · sigmoid(βx)."""
    for rest in reader.product(name)[1]:
        step = reader.step(rest, "Sigmoid")
        if step is None:
            continue
        for x in reader.arguments(step.inputs[0]):
            beta = reader.ratio(step.inputs[0], x)
            if beta is not None and reader.ratio(name, x, rest) == 1:
                return layer("Swish", x, beta=shortest(beta))
    return None


def mish(reader: Reader, name: str) -> Step | None:
    """X · tanh(softplus(x))."""
    for rest in reader.product(name)[1]:
        step = reader.step(rest, "Tanh")
        x = argument_of_softplus(reader, step.inputs[0]) if step else None
        if x is not None and reader.ratio(name, x, rest) == 1:
            return layer("Mish", x)
    return None


def argument_of_softplus(reader: Reader, name: str) -> str | None:
    """X, if the value is softplus(x) or log(1 + e^x)."""
    step = reader.step(name, "Softplus", "Log")
    if step is None or step.op == "Softplus":
        return step.inputs[0] if step else None
    one, inner = reader.plus(step.inputs[0])
    exp = reader.step(inner, "Exp") if one == 1 else None
    return exp.inputs[0] if exp else None


def softplus(reader: Reader, name: str) -> Step | None:
    """log(1 + e^x)."""
    x = argument_of_softplus(reader, name)
    return None if x is None else layer("Softplus", x)


def hard(reader: Reader, name: str) -> Step | None:
    """x/6 · clip(x + 3, 0, 6), x · hardsigmoid(x), or clip(x + 3, 0, 6)/6 alone."""
    for rest in reader.product(name)[1]:
        x = argument_of_clip(reader, rest)
        if x is not None and close(reader.ratio(name, rest), 1 / 6):
            return layer("HardSigmoid", x)
        if x is not None and close(reader.ratio(name, x, rest), 1 / 6):
            return layer("HardSwish", x)
        step = reader.step(rest, "HardSigmoid")
        if step and is_sixth(step) and reader.ratio(name, step.inputs[0], rest) == 1:
            return layer("HardSwish", step.inputs[0])
    return None


def is_sixth(step: Step) -> bool:
    """Whether a HardSigmoid is min(max(x/6 + ½, 0), 1)."""
    return close(step.attributes.get("alpha", 0.2), 1 / 6) and step.attributes.get("beta", 0.5) == 0.5


def argument_of_clip(reader: Reader, name: str) -> str | None:
    """X, if the value is clip(x + 3, 0, 6)."""
    step = reader.step(name, "Clip")
    if step is None or [reader.number(bound) for bound in step.inputs[1:]] != [0, 6]:
        return None
    three, x = reader.plus(step.inputs[0])
    return x if three == 3 else None


def step_function(reader: Reader, name: str) -> Step | None:
    """0 where x ≤ 0, else 1 where x > 0, else x, as `to_onnx` writes Step: NaN stays."""
    outer = reader.step(name, "Where")
    inner = reader.step(outer.inputs[2], "Where") if outer else None
    tests = [reader.step(each.inputs[0], "LessOrEqual", "Greater") for each in (outer, inner) if each]
    if outer is None or inner is None or None in tests:
        return None
    x = inner.inputs[2]
    numbers = [reader.number(each) for each in (outer.inputs[1], inner.inputs[1])]
    asked = [(each.op, each.inputs[0], reader.number(each.inputs[1])) for each in tests if each]
    same = asked == [("LessOrEqual", x, 0), ("Greater", x, 0)]
    return layer("Step", x) if same and numbers == [0, 1] else None


def softsign(reader: Reader, name: str) -> Step | None:
    """X / (1 + |x|)."""
    division = reader.step(name, "Div")
    one, inner = reader.plus(division.inputs[1]) if division else (0.0, "")
    absolute = reader.step(inner, "Abs") if one == 1 else None
    if division and absolute and absolute.inputs[0] == division.inputs[0]:
        return layer("Softsign", absolute.inputs[0])
    return None


def guarded_softplus(reader: Reader, name: str) -> Step | None:
    """X if x > 20 else softplus(x), which is the same from 17 on."""
    where = reader.step(name, "Where")
    greater = reader.step(where.inputs[0], "Greater") if where else None
    if where is None or greater is None:
        return None
    x = argument_of_softplus(reader, where.inputs[2])
    threshold = reader.number(greater.inputs[1])
    same = x is not None and x == where.inputs[1] == greater.inputs[0]
    return layer("Softplus", x or "") if same and threshold is not None and threshold >= 20 else None


def layer_norm(reader: Reader, name: str) -> Step | None:
    """(x - mean) / √(mean (x - mean)² + eps) · weight + bias, over the last axes."""
    for bias, scaled in others(reader.operands(name, "Add")):
        for weight, standard in others(reader.operands(scaled, "Mul")):
            found = standardized(reader, standard)
            w, b = (reader.program.constants.get(each) for each in (weight, bias))
            if found and w is not None and b is not None and w.shape == b.shape:
                x, eps, axes = found
                if axes == list(range(-w.ndim, 0)):
                    step = layer("LayerNorm", x, eps=shortest(eps))
                    step.parameters = {"weight": w, "bias": b}
                    return step
    return None


def standardized(reader: Reader, name: str) -> tuple[str, float, list[int]] | None:
    """(x, eps, axes) of (x - mean) / √(mean (x - mean)² + eps)."""
    deviation, root = reader.operands(name, "Div") or ("", "")
    x, mean = reader.operands(deviation, "Sub") or ("", "")
    (inner,) = reader.operands(root, "Sqrt") or ("",)
    eps, variance = reader.plus(inner)
    square, axes = averaged(reader, variance)
    if averaged(reader, mean) != (x, axes) or reader.ratio(square, deviation, deviation) != 1 or not axes:
        return None
    return x, eps, axes


def averaged(reader: Reader, name: str) -> tuple[str, list[int]]:
    """(x, axes), if the value is the mean of x over axes that stay."""
    step = reader.step(name, "ReduceMean")
    axes = reader.program.constants.get(step.inputs[1]) if step and len(step.inputs) > 1 else None
    if step is None or axes is None or not step.attributes.get("keepdims", 1):
        return "", []
    return step.inputs[0], [int(axis) for axis in axes.ravel()]


def layer(name: str, x: str, **config: object) -> Step:
    """A layer of one input; it takes the place of another step."""
    return Step("", name, [x], [], dict(config), {})


def shortest(value: float) -> float:
    """The float with the fewest digits that is this one in float32: 0.2, not 0.20000000298."""
    return float(str(np.float32(value)))


RULES = {
    "Add": (layer_norm,),
    "Div": (gelu, swish, mish, hard, softsign),
    "Log": (softplus,),
    "Mul": (gelu, swish, mish, hard),
    "Where": (guarded_softplus, step_function),
}


def recognise(program: Program, values: Values) -> None:
    """Put layers in the place of the steps that compute them; what only they read is then unread."""
    reader = Reader(program, values)
    for position, step in enumerate(program.steps):
        result = step.outputs[0]
        for rule in RULES.get(step.op, ()):
            found = rule(reader, result)
            floating = found is not None and values[found.inputs[0]].dtype in ("float32", "float64")
            if found is not None and floating and program.afford(found.size()):
                found.node, found.outputs = step.node, step.outputs
                program.steps[position] = found
                break
