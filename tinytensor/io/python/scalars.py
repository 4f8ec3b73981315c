"""A scalar function as a function of arrays: the source of its expression in NumPy."""

import math
from collections import Counter
from collections.abc import Iterator

from tinytensor.io.expressions import Expression, in_order

__all__ = ["literal", "source_of"]

FORMS = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}",
    "power": "{0} ** {1}", "negative": "-{0}", "less": "{0} < {1}", "less_equal": "{0} <= {1}",
    "greater": "{0} > {1}", "greater_equal": "{0} >= {1}", "equal": "{0} == {1}", "not_equal": "{0} != {1}",
}  # fmt: skip
LIBRARY = ("erf", "gelu", "exp_times")  # functions that NumPy does not have


def literal(value: float) -> str:
    """A number as code: the shortest that is this number."""
    if not math.isfinite(value):
        return f"{'-' * (value < 0)}np.{'nan' if value != value else 'inf'}"
    whole = value.is_integer() and abs(value) < 1e6 and str(value) != "-0.0"
    return str(int(value)) if whole else repr(float(value))


def source_of(name: str, parameters: list[str], expression: Expression, text: str) -> tuple[str, set[str]]:
    """The source of a function of arrays, and which functions of the library it uses."""
    steps = in_order(expression)
    uses = Counter(one.key for each in steps for one in each.of if isinstance(one, Expression))
    codes: dict[int, str] = {}
    lines: list[str] = []
    simple = {each.key for each in steps if each.operation not in FORMS}  # need no parentheses
    for each in steps:
        code = code_of(each, codes, simple, parameters)
        if uses[each.key] > 1 and each.of and isinstance(each.of[0], Expression):
            temporary = f"t{len(lines) + 1}"
            lines.append(f"    {temporary} = {code}")
            code = temporary
            simple.add(each.key)
        codes[each.key] = code
    head = [f"def {name}({', '.join(f'{each}: Any' for each in parameters)}) -> Any:"]
    head += [f'    """{text}"""'] if text else []
    used = {each.operation for each in steps if each.operation in LIBRARY}
    return "\n".join([*head, *lines, f"    return {codes[expression.key]}", ""]), used


def code_of(each: Expression, codes: dict[int, str], simple: set[int], parameters: list[str]) -> str:
    """One operation as code."""
    if each.operation == "operand":
        return str(parameters[each.of[0]])
    if each.operation == "number":
        return literal(each.of[0])
    inner = [codes[one.key] for one in each.of]
    if each.operation == "where":
        return f"np.where({', '.join([inner[0], *arms(each, inner[1:], parameters)])})"
    if each.operation in FORMS:
        whole = (one.key in simple for one in each.of)
        return FORMS[each.operation].format(
            *(code if alone else f"({code})" for code, alone in zip(inner, whole, strict=True))
        )
    prefix = "" if each.operation in LIBRARY else "np."
    return f"{prefix}{each.operation}({', '.join(inner)})"


def arms(each: Expression, inner: list[str], parameters: list[str]) -> Iterator[str]:
    """What a `where` chooses from: of two numbers alone NumPy would make float64."""
    numbers = all(one.operation == "number" for one in each.of[1:])
    return (f"np.result_type({', '.join(parameters)}).type({code})" if numbers else code for code in inner)
