"""Einsum as products of matrices: for arrays and for Tensors, whose product has one order of additions."""

import math
from typing import Any

from tinytensor.operators.definition import operation
from tinytensor.operators.inference import einsum

__all__: list[str] = []


@operation(28, einsum, of_arrays=False)
def Einsum(*xs: Any, equation: str) -> Any:
    """Σ of products of elements, whose axes an equation names: "bij,bjk->bik"; no letter twice in a term."""
    left, arrow, result = equation.replace(" ", "").partition("->")
    if not arrow:
        once = sorted(each for each in set(left) if each.isalpha() and left.count(each) == 1)
        result = ("..." if "..." in left else "") + "".join(once)
    written = left.split(",")
    if len(written) != len(xs):
        raise ValueError(f"{equation!r} has {len(written)} terms, for {len(xs)} operands")
    terms = [spelled(term, x.ndim) for term, x in zip(written, xs, strict=True)]
    longest = max((term for term in terms), key=lambda term: sum(each.isdigit() for each in term))
    result = result.replace("...", "".join(each for each in longest if each.isdigit()))
    y, name = xs[0], terms[0]
    for position in range(1, len(xs)):
        needed = set(result).union(*terms[position + 1 :])
        x, other = without(xs[position], terms[position], needed | set(name))
        y, name = without(y, name, needed | set(other))
        y, name = contracted(y, name, x, other, needed)
    y, name = without(y, name, set(result))
    return y.transpose([name.index(each) for each in result])


def spelled(term: str, ndim: int) -> str:
    """A term with a digit for each axis of its dots, counted from the right."""
    dots = ndim - len(term.replace("...", "")) if "..." in term else 0
    spelled = term.replace("...", "9876543210"[::-1][10 - dots :])
    if len(spelled) != ndim or len(set(spelled)) != ndim:
        raise ValueError(f"the term {term!r} does not fit {ndim} axes")
    return spelled


def without(x: Any, name: str, needed: Any) -> Any:
    """X summed over the axes that nothing needs, and its name."""
    axes = tuple(i for i, each in enumerate(name) if each not in needed)
    return (x.sum(axes) if axes else x), "".join(each for each in name if each in needed)


def contracted(a: Any, left: str, b: Any, right: str, needed: Any) -> Any:
    """The product of two operands, summed over the axes of both that nothing needs, and its name."""
    shared = [each for each in left if each in right]
    stack = [each for each in shared if each in needed]
    inner = [each for each in shared if each not in needed]
    rows = [each for each in left if each not in right]
    columns = [each for each in right if each not in left]
    size = {**dict(zip(right, b.shape, strict=True)), **dict(zip(left, a.shape, strict=True))}

    def many(names: Any) -> int:
        return math.prod(size[each] for each in names)

    x = a.transpose([left.index(each) for each in stack + rows + inner])
    y = b.transpose([right.index(each) for each in stack + inner + columns])
    product = x.reshape((many(stack), many(rows), many(inner))) @ y.reshape(
        (many(stack), many(inner), many(columns))
    )
    name = stack + rows + columns
    return product.reshape(tuple(size[each] for each in name)), "".join(name)
