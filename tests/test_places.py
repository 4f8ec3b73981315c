"""To add a thing touches few places: the files that name one of a kind are counted.

Foreign formats (`tinytensor/io`) may have one line each for what they have a counterpart of, and the table of
what other libraries call a thing.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("config", "formats", "native", "npz", "traced", "expressions", "pooling", "onnx/rules", "onnx/nodes",
        "onnx/trace_writer", "onnx/writer", "onnx/scalars", "python/")  # fmt: skip
OF_BYTES = "tinytensor/quantization/emission.py"  # which layers have a form on bytes


def places(*names):
    """The files of the package, and the API page, that name one of these as a whole word."""
    word = re.compile(rf"\b({'|'.join(names)})\b")
    files = [*(ROOT / "tinytensor").rglob("*.py"), ROOT / "docs" / "api.md"]
    return {str(each.relative_to(ROOT)) for each in files if word.search(each.read_text("utf-8"))}


def but_foreign(found):
    """Places without the modules of foreign formats."""
    ours = tuple(f"tinytensor/io/{each}" for each in OURS)
    foreign = ("tinytensor/io/", "tinytensor/elsewhere.py")
    return {each for each in found if not each.startswith(foreign) or each.startswith(ours)}


@pytest.mark.parametrize(("function", "cls"), [("mish", "Mish"), ("hard_swish", "HardSwish"), ("elu", "ELU")])
def test_an_activation(function, cls):
    found = but_foreign(places(function, cls))
    assert found == {"tinytensor/activations.py", "tinytensor/contents.py", "docs/api.md"}


@pytest.mark.parametrize(
    ("file", "cls"),
    [("global_pool", "GlobalMaxPool2d"), ("prelu", "PReLU"), ("batch_norm", "BatchNorm"),
     ("max_pool", "MaxPool1d"), ("layer_norm", "LayerNorm")],
)  # fmt: skip
def test_a_layer(file, cls):
    found = but_foreign(places(cls)) - {OF_BYTES}
    assert found == {f"tinytensor/layers/{file}.py", "tinytensor/contents.py", "docs/api.md"}


@pytest.mark.parametrize("operation", ["Hardmax", "ReverseSequence", "Trilu"])
def test_an_operation_of_onnx(operation):
    """Its definition; what an older form of it becomes may stand beside the others' in `changes`."""
    found = places(operation) - {"tinytensor/io/onnx/changes.py"}
    assert len(found) == 1
    assert next(iter(found)).startswith("tinytensor/operators/")


@pytest.mark.parametrize(
    ("primitive", "file"),
    [("standardize", "normalization"), ("embed", "lookup")],
)
def test_a_primitive_has_one_rule_in_each_format(primitive, file):
    """The rules of files name a primitive by its name; the rules of computing stand where it is defined."""
    quoted = re.compile(rf'"{primitive}"')
    package = ROOT / "tinytensor"
    found = {
        str(each.relative_to(package))
        for each in package.rglob("*.py")
        if quoted.search(each.read_text("utf-8"))
    }
    own = {f"primitives/{file}.py", "io/onnx/rules.py", "io/python/rules.py"}
    assert own <= found
    assert {each for each in found - own if each.startswith("io/")} <= {
        "io/onnx/trace_writer.py",
        "io/python/program.py",
    }
