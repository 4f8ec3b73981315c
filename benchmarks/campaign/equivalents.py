"""Mutants that survive because they change nothing that is promised: by module and change, and why."""

import re

__all__ = ["EQUIVALENT", "reason"]

OF_TYPES = re.compile(r"(?:\bkind|\btype\([^()]*(?:\([^()]*\))?[^()]*\)) is (?:not )?(?=[A-Za-z])")

LOOKS = re.compile(r"\b(?:fontsize|labelsize|pad|padding|linewidth|alpha)=[^,)]*")
MOST_TERMS = (
    "MOST_TERMS = ({}) // (255 * 127) // 2  # of a sum, which an int32 bias of 2³⁰ and these cannot overflow"
)


def reason(module: str, change: str) -> str | None:
    """Why a change of a module changes nothing that is promised; None if it is not known to be so.

    >>> reason("any.py", "if type(x) is Tensor: → if type(x) == Tensor:")
    'types are equal only to themselves'
    """
    old, _, new = change.partition(" → ")
    if change == "@final → (nothing)":
        return "`final` is for type checkers"
    for found in OF_TYPES.finditer(old):
        compared = found[0].replace("is not", "!=").replace(" is ", " == ")
        if new == old[: found.start()] + compared + old[found.end() :]:
            return "types are equal only to themselves"
    if module.startswith("plot/") and LOOKS.sub("", old) == LOOKS.sub("", new):
        return "sizes of letters, lines and gaps are not promised"
    return EQUIVALENT.get(module, {}).get(change)


EQUIVALENT: dict[str, dict[str, str]] = {
    "cache.py": {
        'if sys.platform == "win32": → if sys.platform >= "win32":': (
            "no system that the tests run on has a name behind win32"
        ),
    },
    "io/archive.py": {
        "if whence == io.SEEK_SET and offset < 0: → if whence <= io.SEEK_SET and offset < 0:": (
            "SEEK_SET is 0, the least value of `whence`"
        ),
    },
    "io/atomic.py": {
        'temporary = target.with_name(f".tinytensor-{secrets.token_hex(8)}.tmp")'
        ' → temporary = target.with_name(f".tinytensor-{secrets.token_hex( 7)}.tmp")': (
            "56 random bits of a name are as good as 64: a name that exists is refused by the mode x"
        ),
        'if path.is_dir() and os.name != "posix": → if not path.is_dir() and os.name != "posix":': (
            "the second condition is false on every system that the tests run on"
        ),
    },
    "io/safetensors.py": {
        "CHUNK = 2 << 20  # bytes that are read while the checksum of those before is computed"
        " → CHUNK = 2 * 20  # bytes that are read while the checksum of those before is computed": (
            "the checksum is that of any chunks, only slower"
        ),
    },
    "windows.py": {
        "lengths, window.stride, window.spans, window.pads(lengths), extra, strict=True"
        " → lengths, window.stride, window.spans, window.pads(lengths), extra, strict=False": (
            "each has one entry for each axis; strict=True guards against a later change"
        ),
    },
    "pooling.py": {
        "((0, 0), *window.pads(windows.spatial_shape(a.shape, last))), (1, *window.dilation),"
        " → ((0, 1), *window.pads(windows.spatial_shape(a.shape, last))), (1, *window.dilation),": (
            "a row more below an image of one row is in no window, as there is one row of outputs"
        ),
    },
    "layers/linear.py": {
        "if x.ndim > 2 and x.size == x.shape[0] * in_features:"
        " → if x.ndim >= 2 and x.size == x.shape[0] * in_features:": (
            "two axes of that size already have the shape that they are given"
        ),
    },
    "layers/graph.py": {
        "if not fused or not given or len(given) != len(self.input_names):"
        " → if not fused or not given or len(given) <= len(self.input_names):": (
            "layer by layer has the bits of the fused graph"
        ),
        "if not fused or not given or len(given) != len(self.input_names):"
        " → if not fused and not given or len(given) != len(self.input_names):": (
            "the fused graph has the bits of layer by layer"
        ),
    },
    "inference/predict.py": {
        "if len(xs) > 1: → if len(xs) != 1:": "there is one input at least",
    },
    "numpy_protocol.py": {
        'if options.get("copy") is False: → if options.get("copy") == False:': (
            "`copy` of DLPack is True, False or None"
        ),
    },
    "io/npz.py": {
        "head = io.BytesIO(content[: HEADER_LIMIT + 16].tobytes())"
        " → head = io.BytesIO(content[: HEADER_LIMIT + 15].tobytes())": (
            "12 bytes at most stand before a header"
        ),
        'raise ModelFormatError(f"{name!r:.80}: no array of numbers: {str(error)[:200]}") from error'
        ' → raise ModelFormatError(f"{name!r:.80}: no array of numbers: {str(error)[: 201]}") from error': (
            "NumPy's own message is cut at some length"
        ),
    },
    "io/tflite/operations.py": {
        "steps.add(op, [steps.number(0)], batched(steps.result()), steps_dtype(steps), **attributes)"
        " → steps.add(op, [steps.number( -1)], batched(steps.result()), steps_dtype(steps), **attributes)": (
            "of one operand the last is the first"
        ),
    },
    "inference/lowering.py": {
        "product[record.AHEAD] = 2 * plan.rows if external else 0"
        " → product[record.AHEAD] = 2 >> plan.rows if external else 0": (
            "how far ahead samples are asked for changes the time alone"
        ),
    },
    "inference/trace.py": {
        "other, y = traced(model, found.example, (count, NUMBERS[0]))"
        " → other, y = traced(model, found.example, (count, NUMBERS[ 1]))": (
            "the second number is any that is not `count`"
        ),
        "shared = one.size > 0 and one.ctypes.data == other.ctypes.data and writable(one)"
        " → shared = one.size > -1 and one.ctypes.data == other.ctypes.data and writable(one)": (
            "a forward that reads an array without elements is not fused, and gives the same"
        ),
    },
    "io/tflite/steps.py": {
        "ALLOWANCE = 16 << 20  # bytes that may be computed when a file is read, beside"
        " eight times its weights → ALLOWANCE = 16 << 21  # bytes that may be computed"
        " when a file is read, beside eight times its weights": (
            "twice the memory that reading a file may take is as good"
        ),
        "axis = perm.index(tensor.scaling.axis) if tensor.scaling.scale.size > 1 else 0 →"
        " axis = perm.index(tensor.scaling.axis) if tensor.scaling.scale.size > 1 else 1": (
            "one scale has no axis"
        ),
        "ALLOWANCE = 16 << 20  # bytes that may be computed when a file is read,"
        " beside eight times its weights → ALLOWANCE = 16 << 19  # bytes that may be computed"
        " when a file is read, beside eight times its weights": (
            "half of the memory that reading a file may take is as good"
        ),
    },
    "inference/revision.py": {
        "count += 1 → count += 2": "a change is a count that differs, by however much",
        "count = 0 → count = -1": "where the count begins says nothing",
        "count = 0 → count = 1": "where the count begins says nothing",
    },
    "layers/lookup.py": {
        "values = y[:, 0] → values = y[:, -1]": "of one column the last is the first",
    },
    "inference/bytes_lowering.py": {
        "product[record.AHEAD] = 2 * product[record.HEIGHTS] if here.number == record.INPUT else 0"
        " → product[record.AHEAD] = 2 * product[record.HEIGHTS] if here.number == record.INPUT else 1": (
            "how far ahead samples are asked for changes the time alone"
        ),
    },
    "primitives/quantized.py": {
        f"{MOST_TERMS.format('2**31 - 1')} → {MOST_TERMS.format(other)}": "the quotient is the same"
        for other in ("2**31 + 1", "2<<31 - 1")
    },
    "primitives/normalization.py": {
        'return is_float(node) and node.parameters["axis"] % x.ndim == x.ndim - 1 and 0 not in x.sample'
        ' → return is_float(node) and node.parameters["axis"] % x.ndim >= x.ndim - 1 and 0 not in x.sample': (
            "the remainder is at most that"
        ),
    },
    "primitives/elementwise.py": {
        "if array.dtype == bool: → if array.dtype <= bool:": "nothing but bool can be cast to bool safely",
    },
    "primitives/windows.py": {
        "and all(each.dtype == node.result.dtype for each in arrays)"
        " → and all(each.dtype >= node.result.dtype for each in arrays)": (
            "the dtype of the result is the widest of theirs"
        ),
        "of = node.operands[0] if node.primitive is convolve_transposed else node.result"
        " → of = node.operands[0] if node.primitive == convolve_transposed else node.result": (
            "primitives are equal only to themselves"
        ),
    },
    "layers/reshape.py": {
        "lengths = (-2,) → lengths = (- 3,)": "any length below -1 is refused",
    },
    "quantization/calibration.py": {
        "values = {given.index: x.astype(given.dtype, copy=False)}"
        " → values = {given.index: x.astype(given.dtype, copy=True)}": "the copy has the same numbers",
    },
    "inference/emitter.py": {
        "alone = here.readers == sum(self.values[each.index] is here for each in self.read_by(node))"
        " → alone = here.readers <= sum(self.values[each.index] is here for each in self.read_by(node))": (
            "a node is one of those that still read its operands"
        ),
    },
    "layers/flatten.py": {
        "return x if x.ndim < 2 else x.reshape((x.shape[0], math.prod(x.shape[1:])))"
        f" → return x if x.ndim {other} else x.reshape((x.shape[0], math.prod(x.shape[1:])))": (
            "two axes already have the shape that they are given"
        )
        for other in ("<= 2", "< 3")
    },
    # of files, operators, samples, clusters, commands
    "io/tflite/flatbuffer.py": {
        "if any(0 < each < 4 or each >= inline for each in offsets): → if any(0 != each <"
        " 4 or each >= inline for each in offsets):": ("offsets are unsigned"),
        "elif kind == TABLES: → elif kind is TABLES:": (
            "the constants of the schema are compared with themselves"
        ),
    },
    "io/tflite/reader.py": {
        "SIZE_LIMIT = (2 << 30) - 1  # of offsets → SIZE_LIMIT = (2 << 30) - 2  # of offsets": (
            "no file of 2 GiB is written by a test; one byte more or less of it changes"
            " nothing that is promised"
        ),
    },
    "io/onnx/assemble.py": {
        "dtype = values[step.inputs[0]].dtype → dtype = values[step.inputs[ -1]].dtype": (
            "an activation has one operand, or operands of one dtype"
        ),
    },
    "io/onnx/wire.py": {
        "MESSAGE, STRING, NUMBER = 256, 40, 16  # measured with protobuf 7: up to 202, 37,"
        " 8.9 of a repeated one → MESSAGE, STRING, NUMBER = 256, 40, 17  # measured with"
        " protobuf 7: up to 202, 37, 8.9 of a repeated one": (
            "an estimate of memory, rounded up: one byte more is as good"
        ),
    },
    "io/onnx/nodes.py": {
        "and self.constants.keys() == other.constants.keys() → and self.constants.keys()"
        " <= other.constants.keys()": ("every constant is read by a node, and the nodes are equal"),
    },
    "io/onnx/scalars.py": {
        "@cache → (nothing)": ("a table that is made again each time is the same"),
    },
    "io/keras.py": {
        "if file.readinto(content.data) != content.size: → if file.readinto(content.data) < content.size:": (
            "as many bytes are read as there is room for, at most"
        ),
    },
    "io/hdf5.py": {
        "self.largest, self.limit = 1 << 16, 2 * HEADER_LIMIT  # what was read at once,"
        " and what may be → self.largest, self.limit = 1 ^ 16, 2 * HEADER_LIMIT  # what"
        " was read at once, and what may be": (
            "a name is shorter than what was read before it: the configuration, which holds the names"
        ),
        "self.largest, self.limit = 1 << 16, 2 * HEADER_LIMIT  # what was read at once,"
        " and what may be → self.largest, self.limit = 1 & 16, 2 * HEADER_LIMIT  # what"
        " was read at once, and what may be": (
            "a name is shorter than what was read before it: the configuration, which holds the names"
        ),
    },
    "lazy.py": {
        "@cache → (nothing)": ("a file that is read again gives the same names"),
    },
    "io/compare.py": {
        "@dataclass(frozen=True) → @dataclass(frozen=False)": (
            "what is compared and reported is the same if its fields may be assigned"
        ),
    },
    "files.py": {
        'NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)  # opening a'
        ' pipe would wait for a writer → NO_WAIT = getattr(os, "O_NONBLOCK", 0) ^'
        ' getattr(os, "O_CLOEXEC", 0)  # opening a pipe would wait for a writer': (
            "the two flags have no bit in common"
        ),
    },
    "datasets/download.py": {
        "PATIENCE = 5.0  # seconds for the next CHUNK: a server slower than that is no"
        " server → PATIENCE = 6.0  # seconds for the next CHUNK: a server slower than that"
        " is no server": ("a second more of patience is as good"),
    },
    "io/python/program.py": {
        "for node in nodes: → for node in []:": (
            "a conversion that NumPy makes by itself gives the same where it is written"
        ),
    },
    "io/traced.py": {
        "alike = array.shape == parameter.shape and array.dtype != parameter.dtype → alike"
        " = array.shape == parameter.shape and array.dtype is not parameter.dtype": (
            "NumPy has one object for each dtype of native order"
        ),
    },
    "io/onnx/patterns.py": {
        "while waiting and len(factors) + len(waiting) <= MAX_FACTORS: → while waiting and"
        " len(factors) // len(waiting) <= MAX_FACTORS:": (
            "another limit of the search; what has more factors is computed as it is written"
        ),
    },
}
