"""`tt.load` and `model.save`: the table of formats, told apart by content when reading, by name when writing.

A format is a module with `read(path) -> (config, state)`, `write(path, model)` or both, and a row
here: its name, how a file of it is recognised by the first bytes (and by more, where archives differ inside
only), and how the names of its files end.
"""

import contextlib
import importlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tinytensor.errors import ArgumentError, DtypeError, ModelFormatError
from tinytensor.files import StrPath, opened_file
from tinytensor.inference import revision
from tinytensor.io.config import CustomObjects, build
from tinytensor.io.foreign import kind_of
from tinytensor.layers.layer import Layer
from tinytensor.text import escaped

__all__ = ["FORMATS", "Format", "identify", "load", "located", "save"]

HEAD = 4096
ZIP = b"PK\x03\x04"
TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the first pickle in files of PyTorch before 1.6
HDF5 = b"\x89HDF\r\n\x1a\n"
ONNX_FIELDS = {
    number << 3 | kind for number, kind in ((2, 2), (3, 2), (4, 2), (5, 0), (6, 2), (7, 2), (8, 2))
}


class Format(NamedTuple):
    """One row of the table; the module is imported when a file needs it."""

    module: str
    name: str
    matches: Callable[[bytes, StrPath], bool] | None
    suffix: str | None
    traced: bool = False  # whether `write` takes the shape of a sample, too

    def imported(self) -> Any:
        """The module."""
        return importlib.import_module(self.module)


def looks_like_safetensors(head: bytes, path: StrPath) -> bool:
    """Eight bytes of length, then a JSON object."""
    return len(head) > 8 and head[8:9] == b"{"


def looks_like_pickle(head: bytes, path: StrPath) -> bool:
    """The opcode PROTO and a protocol that exists."""
    return head[:1] == b"\x80" and head[1:2] <= b"\x05"


def names(path: StrPath) -> list[str]:
    """The names in a ZIP archive."""
    from tinytensor.io import archive

    return archive.names(path)


def looks_like_npz(head: bytes, path: StrPath) -> bool:
    """A ZIP archive of arrays."""
    return head[:4] == ZIP and any(name.endswith(".npy") for name in names(path))


def looks_like_keras(head: bytes, path: StrPath) -> bool:
    """A ZIP archive of a configuration and of weights, or HDF5."""
    if head.startswith(HDF5):
        return True
    found = names(path) if head[:4] == ZIP else []
    return "config.json" in found and any(name.startswith("model.weights.") for name in found)


def looks_like_torch(head: bytes, path: StrPath) -> bool:
    """A ZIP archive with a pickle in it, or a pickle that starts with PyTorch's magic number."""
    return head.startswith(TORCH) or (head[:4] == ZIP and any(n.endswith("/data.pkl") for n in names(path)))


def looks_like_onnx(head: bytes, path: StrPath) -> bool:
    """The field ir_version, a small number, and another field of a model."""
    return len(head) > 2 and head[0] == 0x08 and 2 < head[1] < 64 and head[2] in ONNX_FIELDS


def looks_like_tflite(head: bytes, path: StrPath) -> bool:
    """The identifier of its flatbuffers."""
    return head[4:8] == b"TFL3"


FORMATS = (
    Format("tinytensor.io.native", "tinytensor", looks_like_safetensors, ".safetensors"),
    Format("tinytensor.io.keras", "Keras", looks_like_keras, None),
    Format("tinytensor.io.npz", "npz", looks_like_npz, ".npz"),
    Format("tinytensor.io.onnx", "ONNX", looks_like_onnx, ".onnx", True),
    Format("tinytensor.io.tflite", "TensorFlow Lite", looks_like_tflite, None),
    Format("tinytensor.io.python", "a Python program", None, ".py", True),
    Format("tinytensor.io.pt", "a PyTorch state dict", looks_like_torch, None),
    Format("tinytensor.io.pickles", "a pickle of arrays", looks_like_pickle, None),
)


def identify(path: StrPath) -> Format:
    """The format of a file, by its first bytes.

    Raises:
        ModelFormatError: it is none that tinytensor reads.
        OSError: it cannot be read.
    """
    head = head_of(path)
    for each in FORMATS:
        if each.matches and each.matches(head, path):
            return each
    kind = kind_of(head, path)
    known = ", ".join(each.name for each in FORMATS if each.matches)
    said = f"is {kind}" if kind else f"no model; expected a file of {known}"
    raise ModelFormatError(escaped(f"{os.fspath(path)}: {said}"))


def head_of(path: StrPath) -> bytes:
    """The first bytes of a file.

    Raises:
        ModelFormatError: it is a folder, a pipe or a device.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        kind = kind_of(b"", path)
        raise ModelFormatError(
            escaped(f"{os.fspath(path)}: expected a file{f', got {kind}' if kind else ''}")
        )
    with opened_file(path) as file:
        return file.read(HEAD)


def load(path: StrPath, custom_objects: CustomObjects = None) -> Layer:
    """The model in a file, whatever its format; no code in it is executed.

    Args:
        path: the file; its content says which format it is, not its name.
        custom_objects: layers and activations of your own that the model uses, as a list, or as a dict by
            the names that the file has for them.

    Raises:
        ModelFormatError: the file is no model, damaged, or of an unknown class; says where. Or it holds
            weights alone, which do not say what is between them; says how `load_weights` takes them.
        ArgumentError: custom_objects is no list or dict of layers and activations.
        DtypeError: no path.
        OSError: it cannot be read.

    >>> import tempfile
    >>> import tinytensor as tt
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tt.Sequential(tt.Linear(3, 2), tt.softmax).save(f"{folder}/model.safetensors")
    ...     tt.load(f"{folder}/model.safetensors")
    Sequential(
        Linear(in_features=3, out_features=2),
        Softmax(),
    )
    """
    check_path("load", path)
    with located(path):
        config, state = identify(path).imported().read(path)
        return build(config, state, custom_objects)


def check_path(who: str, path: Any) -> None:
    """Raise unless it is a path: a number would be taken for an open file."""
    if not isinstance(path, str | os.PathLike):
        raise DtypeError(f"{who}: expected a path, got {path!r:.80}")


@contextlib.contextmanager
def located(path: StrPath) -> Iterator[None]:
    """Errors of the format name the file."""
    try:
        yield
    except ModelFormatError as error:
        name = os.fspath(path)
        text = str(error) if str(error).startswith(name) else f"{name}: {error}"
        raise type(error)(escaped(text)) from error


def save(model: Layer, path: StrPath, shape: Any = None) -> None:
    """Write a model in the format that the name's ending says; the write is atomic.

    Args:
        shape: of one sample, for .onnx and .py, where the layers do not say it; see `to_onnx`.

    Raises:
        ArgumentError: no format has that ending, a layer cannot be described, or a shape for another format.
        UnsupportedOp: for .onnx and .py, a layer that cannot be traced.
        ShapeError: for these, the shape has to be given.
        DtypeError: no model, or no path.
        OSError: the folder or the disk does not take it; an old file is as it was.
    """
    if not isinstance(model, Layer):
        raise DtypeError(f"save: expected a model, then a path, got {model!r:.80}")
    check_path("save", path)
    suffix = os.path.splitext(path)[1].lower()
    writers = {each.suffix: each for each in FORMATS if each.suffix}
    if suffix not in writers:
        raise ArgumentError(
            f"save: expected a name that ends in {', '.join(writers)}, got {os.fspath(path)!r}"
        )
    chosen = writers[suffix]
    if shape is not None and not chosen.traced:
        raise ArgumentError(f"save: shape: a file of {chosen.name} holds samples of any shape; leave it out")
    from tinytensor.io.atomic import replacing

    with replacing(path) as temporary, revision.lock:
        chosen.imported().write(temporary, model, *([shape] if chosen.traced else []))
