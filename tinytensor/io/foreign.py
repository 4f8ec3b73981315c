"""Files that people pass for models and that are none tinytensor reads: what each is, and what to do."""

import os
import re

from tinytensor.files import StrPath

__all__ = ["kind_of"]

# The first bytes of a file, as a pattern, and what it is.
SAVED_MODEL = (
    "a TensorFlow SavedModel; convert it to ONNX (python -m tf2onnx.convert --saved-model FOLDER --output "
    "model.onnx), or save the model as .keras"
)
KINDS = {
    rb"version https://git-lfs": "a Git LFS pointer, not the file it points to; run: git lfs pull",
    rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html|head|body)": "an HTML page; download the file itself, not "
    "the page that shows it",
    rb"\x08\x01\x12": SAVED_MODEL,
    rb"\x0a.{1,3}\x0a.{1,200}\x12.(Placeholder|Const)": "a TensorFlow graph; convert it to ONNX with tf2onnx",
    rb"GGUF": "a GGUF model of llama.cpp",
    rb"\x78[\x01\x5e\x9c\xda]": "compressed data, as joblib.dump(…, compress=…) writes; if it is a "
    "scikit-learn estimator and you trust it, load it with joblib, then tt.from_sklearn(estimator)",
    rb"\x1f\x8b": "a gzip archive; unpack it first (gunzip)",
    rb"BZh|\xfd7zXZ": "a compressed file; unpack it first",
    rb".{257}ustar": "a tar archive; unpack it first",
    rb"\x93NUMPY": "a single NumPy array; weights come by name: np.savez(path, **{name: array})",
    rb"\(dp?[0-9]|\(lp?[0-9]|c(sklearn|numpy|torch)": "a pickle of protocol 0; save it again with protocol=4",
}


def kind_of(head: bytes, path: StrPath) -> str:
    """What a file or folder is, if it is one of those that are often mistaken for a model; else nothing.

    >>> kind_of(b"version https://git-lfs.github.com/spec/v1\\n", "model.onnx")
    'a Git LFS pointer, not the file it points to; run: git lfs pull'
    """
    if os.path.isdir(path):
        return SAVED_MODEL if os.path.isfile(os.path.join(path, "saved_model.pb")) else ""
    return next((text for pattern, text in KINDS.items() if re.match(pattern, head, re.DOTALL)), "")
