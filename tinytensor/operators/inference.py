"""Shapes of results from shapes of operands, as far as they are told, and how many bytes that is at most.

A rule may raise what Python raises of operands that do not fit: then nothing is known.
"""

import math
from collections.abc import Sequence
from typing import Any

from tinytensor.operators.definition import Shape, Value

__all__ = [
    "broadcast", "categories", "concat", "einsum", "first", "first_alone", "flatten", "gather",
    "gather_nd", "gemm", "integers", "last_axis", "like_second", "matmul", "number_line", "one_axis",
    "one_hot", "padded", "reduction", "reduction_of_axis", "repeated", "reshape", "scalar",
    "shape_vector", "slices", "splits", "squeeze", "to_shape", "top_k", "transpose", "unknown",
    "unsqueeze",
]  # fmt: skip

MAX_RANK = 64
Operands = Sequence[Value | None]
Attributes = dict[str, Any]


def at(operands: Operands, position: int) -> Value | None:
    """An operand, None if it is left out."""
    return operands[position] if position < len(operands) else None


def shape_of(operands: Operands, position: int = 0) -> Shape:
    """The shape of an operand."""
    value = at(operands, position)
    return None if value is None else value.shape


def integers(value: Value | None) -> list[int | None] | None:
    """The elements of a value, if it is known that there are few: None for one that is not known."""
    if value is None or value.content is None or value.content.size > MAX_RANK:
        return None
    return [None if n != n else int(n) for n in value.content.ravel().tolist()]


def numbers(value: Value | None) -> list[int] | None:
    """The elements of a value, if all are known."""
    found = integers(value)
    return None if found is None or None in found else [n for n in found if n is not None]


def of_rank(rank: int | None) -> Shape:
    """A shape of which only the number of axes is known, or not even that."""
    return None if rank is None or not 0 <= rank <= MAX_RANK else (None,) * rank


def product(lengths: Sequence[int | None]) -> int | None:
    """The number of elements, if it is known."""
    known = [n for n in lengths if n is not None]
    return math.prod(known) if len(known) == len(lengths) else None


def first(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The shape of the first operand; so have further results."""
    return [shape_of(operands)] * results


def first_alone(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The shape of the first operand; nothing is known of further results."""
    return [shape_of(operands), *[None] * (results - 1)]


def like_second(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The shape of the second operand."""
    return shape_of(operands, 1)


def unknown(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Nothing is known."""
    return None


def scalar(operands: Operands, attributes: Attributes, results: int) -> Any:
    """No axes."""
    return ()


def joint(shapes: Sequence[Shape]) -> Shape:
    """What shapes broadcast to."""
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return None
    rank = max(map(len, known))
    padded = [(1,) * (rank - len(shape)) + shape for shape in known]
    return tuple(joint_length(column) for column in zip(*padded, strict=True))


def joint_length(lengths: Sequence[int | None]) -> int | None:
    """What lengths broadcast to: one that is known and not 1 decides."""
    others = {n for n in lengths if n != 1}
    return 1 if not others else others.pop() if len(others) == 1 else None


def broadcast(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Elementwise, with broadcasting."""
    return joint([each.shape for each in operands if each is not None])


def matmul(operands: Operands, attributes: Attributes, results: int) -> Any:
    """NumPy's product."""
    a, b = shape_of(operands), shape_of(operands, 1)
    if not a or not b:
        return None
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    if len(a) <= 2 and len(b) <= 2:
        return rows + columns
    stack = a[:-2] if len(b) <= 2 else (None,) * (max(len(a), len(b)) - 2)
    return stack + rows + columns


def gemm(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Always a matrix."""
    a, b = shape_of(operands), shape_of(operands, 1)
    rows = None if a is None or len(a) != 2 else a[1 if attributes.get("transA") else 0]
    columns = None if b is None or len(b) != 2 else b[0 if attributes.get("transB") else 1]
    return rows, columns


def einsum(operands: Operands, attributes: Attributes, results: int) -> Any:
    """An axis for each letter of the result."""
    _, arrow, result = attributes["equation"].replace(" ", "").partition("->")
    return of_rank(len(result)) if arrow and "." not in result else None


def flatten(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Two axes."""
    shape, axis = shape_of(operands), attributes.get("axis", 1)
    return (None, None) if shape is None or axis < 0 else (product(shape[:axis]), product(shape[axis:]))


def reshape(operands: Operands, attributes: Attributes, results: int) -> Any:
    """As the second operand says; -1 is what the other lengths leave."""
    wanted, source = integers(operands[1]), shape_of(operands)
    if wanted is None:
        shape = shape_of(operands, 1)
        return of_rank(shape[0] if shape else None)
    lengths = list(wanted)
    if not attributes.get("allowzero"):
        kept = (None,) * len(lengths) if source is None else source + (None,) * len(lengths)
        lengths = [kept[i] if n == 0 else n for i, n in enumerate(lengths)]
    if lengths.count(-1) == 1 and source is not None:
        rest, whole = product([n for n in lengths if n != -1]), product(source)
        if rest and whole is not None:
            lengths[lengths.index(-1)] = whole // rest
    return tuple(None if n == -1 else n for n in lengths)


def squeeze(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Without some axes."""
    shape, axes = shape_of(operands), numbers(at(operands, 1))
    if shape is None or axes is None:
        return None
    gone = {axis % len(shape) for axis in axes}
    return tuple(n for i, n in enumerate(shape) if i not in gone)


def unsqueeze(operands: Operands, attributes: Attributes, results: int) -> Any:
    """With axes of length 1."""
    shape, axes = shape_of(operands), numbers(operands[1])
    if shape is None or axes is None:
        return None
    rank = len(shape) + len(axes)
    new, lengths = {axis % rank for axis in axes}, iter(shape)
    return tuple(1 if i in new else next(lengths) for i in range(rank))


def reduction(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Folded axes have length 1 or are gone."""
    shape = shape_of(operands)
    if shape is None:
        return None
    axes = numbers(at(operands, 1)) if at(operands, 1) is not None else []
    if axes is None:
        return of_rank(len(shape)) if attributes.get("keepdims", 1) else None
    if not axes and attributes.get("noop_with_empty_axes"):
        return shape
    return folded(shape, axes or list(range(len(shape))), attributes.get("keepdims", 1))


def folded(shape: tuple[int | None, ...], axes: list[int], keepdims: int) -> Shape:
    """The shape after a fold."""
    gone = {axis % len(shape) for axis in axes}
    return tuple(1 if i in gone else n for i, n in enumerate(shape) if keepdims or i not in gone)


def reduction_of_axis(operands: Operands, attributes: Attributes, results: int) -> Any:
    """One axis is folded."""
    shape = shape_of(operands)
    return (
        None if shape is None else folded(shape, [attributes.get("axis", 0)], attributes.get("keepdims", 1))
    )


def transpose(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The axes in another order."""
    shape, perm = shape_of(operands), attributes.get("perm")
    if shape is None:
        return None
    return shape[::-1] if perm is None else tuple(shape[i] for i in perm)


def concat(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Lengths along one axis are added."""
    shapes = [each.shape for each in operands if each is not None]
    known = [shape for shape in shapes if shape is not None]
    if not known:
        return None
    lengths = list(known[0])
    axis = attributes["axis"] % len(lengths)
    along = [shape[axis] for shape in known]
    lengths[axis] = sum(n for n in along if n is not None)
    if None in along or len(known) < len(shapes):
        lengths[axis] = None
    return tuple(lengths)


def gather(operands: Operands, attributes: Attributes, results: int) -> Any:
    """One axis becomes those of the indices."""
    x, indices = shape_of(operands), shape_of(operands, 1)
    if x is None or indices is None:
        return None
    axis = attributes.get("axis", 0) % len(x)
    return x[:axis] + indices + x[axis + 1 :]


def gather_nd(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The last axis of the indices becomes those that it does not index."""
    x, indices = shape_of(operands), shape_of(operands, 1)
    if x is None or indices is None or indices[-1] is None:
        return None
    return indices[:-1] + x[attributes.get("batch_dims", 0) + indices[-1] :]


def last_axis(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The last axis is indexed; a vector is one row."""
    x, indices = shape_of(operands), shape_of(operands, 1)
    if x is None or indices is None:
        return None
    return ((1,) if len(x) == 1 else x[:-1]) + (product(indices),)


def categories(operands: Operands, attributes: Attributes, results: int) -> Any:
    """A new last axis, of the second operand."""
    x, keys = shape_of(operands), shape_of(operands, 1)
    return None if x is None or keys is None else (*x, product(keys))


def shape_vector(operands: Operands, attributes: Attributes, results: int) -> Any:
    """One number for each axis."""
    shape = shape_of(operands)
    return (None if shape is None else len(shape[attributes.get("start", 0) : attributes.get("end")]),)


def one_axis(operands: Operands, attributes: Attributes, results: int) -> Any:
    """One axis."""
    return (None,)


def slices(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Lengths of slices that are told."""
    shape = shape_of(operands)
    if shape is None:
        return None
    starts, ends = numbers(operands[1]), numbers(operands[2])
    axes = numbers(at(operands, 3)) if at(operands, 3) is not None else list(range(len(starts or ())))
    steps = numbers(at(operands, 4)) if at(operands, 4) is not None else [1] * len(starts or ())
    if axes is None or starts is None or ends is None or steps is None:
        sliced = range(len(shape)) if axes is None or starts is None else [axis % len(shape) for axis in axes]
        return tuple(None if i in sliced else n for i, n in enumerate(shape))
    lengths = list(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        n = lengths[axis]
        lengths[axis] = None if n is None else len(range(*slice(start, end, step).indices(n)))
    return tuple(lengths)


def splits(operands: Operands, attributes: Attributes, results: int) -> Any:
    """The parts of an axis."""
    shape = shape_of(operands)
    if shape is None:
        return None
    axis = attributes.get("axis", 0) % len(shape)
    told, n = at(operands, 1), shape[axis]
    parts: list[int | None] | None = integers(told)
    if told is None and n is not None:
        size = -(-n // attributes["num_outputs"])
        parts = [max(min(size, n - i * size), 0) for i in range(attributes["num_outputs"])]
    parts = parts if parts is not None and len(parts) == results else [None] * results
    return [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]


def to_shape(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Broadcast to a shape."""
    wanted = integers(operands[1])
    return None if wanted is None else joint([shape_of(operands), tuple(wanted)])


def repeated(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Lengths are multiplied."""
    shape, repeats = shape_of(operands), integers(operands[1])
    if shape is None or repeats is None:
        return None
    return tuple(product(pair) for pair in zip(shape, repeats, strict=True))


def padded(operands: Operands, attributes: Attributes, results: int) -> Any:
    """Lengths and the numbers before and after, as far as they are known."""
    shape, pads = shape_of(operands), integers(operands[1])
    if shape is None:
        return None
    axes = numbers(at(operands, 3)) if at(operands, 3) is not None else range(len(shape))
    if pads is None or axes is None:
        return of_rank(len(shape))
    lengths = list(shape)
    for axis, *pair in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        lengths[axis] = None if None in (lengths[axis], *pair) else sum((lengths[axis], *pair))  # type: ignore[arg-type]
    return tuple(lengths)


def number_line(operands: Operands, attributes: Attributes, results: int) -> Any:
    """As many numbers as there are from start to limit."""
    contents = [None if each is None else each.content for each in operands]
    ends = [float(each.item()) for each in contents if each is not None]
    return (max(math.ceil((ends[1] - ends[0]) / ends[2]), 0) if len(ends) == 3 else None,)


def one_hot(operands: Operands, attributes: Attributes, results: int) -> Any:
    """A new axis of the depth."""
    shape, depth = shape_of(operands), integers(operands[1])
    if shape is None:
        return None
    axis = attributes.get("axis", -1) % (len(shape) + 1)
    return (*shape[:axis], depth[0] if depth else None, *shape[axis:])


def top_k(operands: Operands, attributes: Attributes, results: int) -> Any:
    """K of an axis, and where they were."""
    shape, k = shape_of(operands), integers(operands[1])
    if shape is None:
        return None
    lengths = list(shape)
    lengths[attributes.get("axis", -1)] = k[0] if k else None
    return [tuple(lengths)] * results
