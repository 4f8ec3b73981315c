"""Pickles of arrays, read by an unpickler that calls nothing of the file's choosing.

A pickle is a program for a stack machine. It is first run on sizes alone, which costs a bounded time and
finds what would cost an unbounded one: keys that are slow to hash, values inside themselves, a value of 2⁴⁰
parts made by 40 references. Then it is run for real; the few names that arrays and tensors use are answered
by classes of ours, and every other name is an error.
"""

import io
import math
import os
import pickle
import pickletools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinytensor.errors import ModelFormatError
from tinytensor.files import StrPath
from tinytensor.io.config import Config, State
from tinytensor.io.content import content_of
from tinytensor.io.named import flat
from tinytensor.io.propose import refuse
from tinytensor.kernels.boundary import Array

__all__ = ["Names", "check", "read", "read_state", "tree", "unpickled"]

Names = Mapping[tuple[str, str], Any]

SIZE_LIMIT = 64 << 20  # bytes
OPCODE_LIMIT = 1 << 19  # half a million take about a second
NODE_LIMIT = 1 << 20  # values, counted as often as they are referred to
DEPTH_LIMIT = 100

KEYS = {"BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING", "BININT", "BININT1", "BININT2"}
ATOMS = KEYS | {
    "NONE", "NEWTRUE", "NEWFALSE", "LONG1", "BINFLOAT", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
    "BYTEARRAY8", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE",
}  # fmt: skip
PUTS = {"BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"}
GETS = {"BINGET", "LONG_BINGET", "GET"}
TAKES = {"TUPLE": None, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "BINPERSID": 1, "REDUCE": 2}
# how many values an opcode takes from the stack; None: all above the mark
CHANGES = {"SETITEM": 2, "SETITEMS": None, "APPEND": 1, "APPENDS": None, "BUILD": 1}

FOREIGN = {
    "sklearn": "a pickled scikit-learn estimator ({}); if you trust the file, load it with joblib, then "
    "tt.from_sklearn(estimator)",
    "joblib": "arrays of joblib ({}); if you trust the file: tt.load_weights(model, joblib.load(path))",
    "torch": "a tensor that is not dense, or not of real numbers ({})",
    "torch.nn": "more than tensors ({}), as a module that was saved whole; if you trust the file, load it "
    "with torch.load(path, weights_only=False), then tt.from_torch(module.eval()), or "
    "tt.load_weights(model, module.state_dict())",
    "keras": "a pickled Keras model ({}); if you trust the file, load it, then tt.from_keras(model)",
    "tensorflow": "a pickled TensorFlow object ({}); if you trust the file, load it, then "
    "tt.load_weights(model, {{name: array, …}})",
}
OTHERS = (
    "asks for {}, and only arrays are allowed; if you trust the file, load it with the program that wrote it "
    "and pass the arrays: tt.load_weights(model, {{name: array, …}})"
)

COURSE = (
    "If it is the course's sample_weight.pkl, tt.io.book.load({!r}) gives its network, sigmoids and softmax."
)


class Node:
    """A value on the stack: of how many values it consists, how deep, and whether it is referred to."""

    __slots__ = ("depth", "fetched", "key", "size", "text")

    def __init__(self, key: bool = False, text: Any = None):
        self.size, self.depth, self.key, self.text, self.fetched = 1, 1, key, text, False

    def add(self, parts: list["Node"]) -> None:
        """These values come to lie inside it."""
        self.size += sum(part.size for part in parts)
        self.depth = max(self.depth, 1 + max((part.depth for part in parts), default=0))
        if self.size > NODE_LIMIT:
            raise ModelFormatError(f"expected at most {NODE_LIMIT} values, references counted again")
        if self.depth > DEPTH_LIMIT:
            raise ModelFormatError(f"expected at most {DEPTH_LIMIT} values inside one another")


class Machine:
    """The stack machine of a pickle, run on sizes."""

    def __init__(self, names: Names):
        self.names = names
        self.stack: list[Node] = []
        self.marks: list[int] = []
        self.memo: dict[int, Node] = {}

    def step(self, name: str, argument: Any) -> None:
        """One opcode."""
        stack = self.stack
        if name in ATOMS:
            stack.append(Node(name in KEYS, argument))
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in PUTS:
            index = len(self.memo) if argument is None else int(argument)
            if index > OPCODE_LIMIT:  # the unpickler allocates that many places
                raise ModelFormatError(f"{name} {index}")
            self.memo[index] = stack[-1]
        elif name in GETS:
            node = self.memo[int(argument)]
            node.fetched = True
            stack.append(node)
        elif name == "GLOBAL":
            stack.append(self.known(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            module, attribute = self.taken(2)
            stack.append(self.known(str(module.text), str(attribute.text)))
        elif name in TAKES:
            parts, node = self.taken(TAKES[name]), Node()
            node.add(parts)
            stack.append(node)
        elif name in CHANGES:
            self.change(name)
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise ModelFormatError(f"{name} has no place in a pickle of arrays")

    def change(self, name: str) -> None:
        """Values are added to the container below them."""
        values, container = self.taken(CHANGES[name]), self.stack[-1]
        if container.fetched:  # it could come to lie inside itself
            raise ModelFormatError(f"{name}: a value that is referred to is changed")
        if name.startswith("SETITEM") and not all(node.key for node in values[::2]):
            raise ModelFormatError(f"{name}: expected texts or small integers as keys")
        container.add(values)

    def known(self, module: str, attribute: str) -> Node:
        """A name that the table has.

        Raises:
            ModelFormatError: it has not; says what kind of file uses such names.
        """
        if (module, attribute) not in self.names:
            kinds = [each for each in FOREIGN if f"{module}.".startswith(f"{each}.")]
            text = FOREIGN[max(kinds, key=len)] if kinds else OTHERS
            raise ModelFormatError(text.format(f"{module}.{attribute}"[:120]))
        return Node()

    def taken(self, count: int | None) -> list[Node]:
        """The values on top: that many, or those above the last mark."""
        begin = self.marks.pop() if count is None else len(self.stack) - count
        if begin < (self.marks[-1] if self.marks else 0):
            raise ModelFormatError("expected more values on the stack")
        values = self.stack[begin:]
        del self.stack[begin:]
        return values


def check(stream: io.BytesIO, names: Names) -> None:
    """Raise unless the pickle at this place costs a bounded time; leaves the stream behind it."""
    machine = Machine(names)
    for count, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
        if count == OPCODE_LIMIT:
            raise ModelFormatError(f"expected a pickle of at most {OPCODE_LIMIT} opcodes")
        try:
            machine.step(opcode.name, argument)
        except ModelFormatError as error:
            raise ModelFormatError(f"byte {position} of its pickle: {error}") from error


class ArrayUnpickler(pickle.Unpickler):
    """An unpickler that knows the names in a table and no others."""

    def __init__(self, content: bytes, names: Names, persistent: Callable[[Any], Any] | None):
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.names, self.persistent = names, persistent

    def find_class(self, module: str, name: str) -> Any:
        """One of our stand-ins."""
        if (module, name) not in self.names:
            raise ModelFormatError(f"asks for {module}.{name}"[:120])
        return self.names[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """What lies outside the pickle."""
        if self.persistent is None:
            raise ModelFormatError("refers to something outside")
        return self.persistent(pid)


def unpickled(stream: io.BytesIO, names: Names, persistent: Callable[[Any], Any] | None = None) -> Any:
    """The value of the pickle at this place of a stream, which is left behind it.

    Raises:
        ModelFormatError: it is damaged, asks for a name that is not in the table, or would cost too much.
    """
    begin = stream.tell()
    try:
        check(stream, names)
        content = stream.getbuffer()[begin : stream.tell()]
        try:
            return ArrayUnpickler(bytes(content), names, persistent).load()
        finally:
            content.release()
    except ModelFormatError:
        raise
    except Exception as error:  # a damaged pickle fails in any way there is
        raise ModelFormatError(f"no pickle of arrays: {type(error).__name__}: {error}"[:200]) from error


class Dtype:
    """Stands for `numpy.dtype("f4", …)`."""

    def __init__(self, code: str, *_: Any):
        if code not in ("f4", "f8"):
            raise ModelFormatError(f"expected arrays of f4 or f8, got {code!r:.40}")
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">"):
            raise ModelFormatError(f"expected the byte order < or >, got {state[1]!r:.40}")
        self.code = state[1] + self.code


class Reconstructed:
    """Stands for `numpy.core.multiarray._reconstruct(numpy.ndarray, (0,), b"b")`."""

    def __init__(self, *_: Any):
        self.array: Array | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        self.array = shaped(data, dtype, shape, "F" if fortran else "C")


def from_buffer(data: Any, dtype: Dtype, shape: Any, order: Any) -> Reconstructed:
    """Stands for `numpy._core.numeric._frombuffer`, which protocol 5 uses."""
    found = Reconstructed()
    found.array = shaped(data, dtype, shape, "F" if order == "F" else "C")
    return found


def shaped(data: Any, dtype: Dtype, shape: Any, order: Any) -> Array:
    """The array of these bytes."""
    array = np.frombuffer(data, dtype.code)
    if not all(type(n) is int and n >= 0 for n in shape) or math.prod(shape) != array.size:
        raise ModelFormatError(
            f"an array is said to have the shape {shape!r:.80} and has {array.size} numbers"
        )
    return array.reshape(shape, order=order)


NUMPY: Names = {
    ("numpy.core.multiarray", "_reconstruct"): Reconstructed,
    ("numpy._core.multiarray", "_reconstruct"): Reconstructed,  # as NumPy 2 writes it
    ("numpy.core.numeric", "_frombuffer"): from_buffer,
    ("numpy._core.numeric", "_frombuffer"): from_buffer,
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): Dtype,
}


def tree(path: StrPath) -> Any:
    """What a pickle holds, arrays as `Reconstructed`.

    Raises:
        ModelFormatError: it is damaged, too large, or holds something that is neither an array nor plain.
    """
    stream = io.BytesIO(content_of(path, SIZE_LIMIT))
    found = unpickled(stream, NUMPY)
    if stream.read(1):
        raise ModelFormatError(f"expected the end of the file at byte {stream.tell() - 1}")
    return found


def read_state(path: StrPath) -> State:
    """The arrays in a pickle by name; in a dict of dicts or lists, by their dotted names.

    Raises:
        ModelFormatError: it is damaged, too large, or holds something that is neither an array nor plain.
    """
    return flat(tree(path), lambda each: each.array if isinstance(each, Reconstructed) else None)


def read(path: StrPath) -> tuple[Config, State]:
    """No model: arrays alone do not say which network they belong to.

    Raises:
        ModelFormatError: always; says how to load the weights.
    """
    state = read_state(path)
    count = len(state) // 2
    names = {f"{letter}{i + 1}" for letter in "Wb" for i in range(count)}
    is_course = count and state.keys() == names and all(each.ndim < 3 for each in state.values())
    refuse(state, path, COURSE.format(os.fspath(path)) if is_course else "")
