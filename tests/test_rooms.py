"""The rooms of tinytensor: a module imports, at module level, only from its own room and those before it."""

import ast
from pathlib import Path

import pytest

import tinytensor

PACKAGE = Path(tinytensor.__file__).parent
ROOMS = (
    "errors",
    "kernels",
    "primitives",
    "tensor",
    "inference",
    "layers",
    "operators",
    "quantization",
    "io",
    "distributed",
    "commands",
)
OUTSIDE = {  # the modules that stand in no folder of a room
    "errors": ("errors", "contents", "elsewhere", "lazy", "text", "files"),
    "kernels": ("threads", "workers", "windows", "cache"),
    "tensor": (
        "tensors", "mapping", "shaping", "reductions", "numpy_protocol", "creation", "functions", "images",
        "padding", "pooling", "upsampling", "initializers", "notebook",
    ),
    "layers": ("activations",),
    "distributed": ("digits",),
    "commands": ("cli", "__main__", "warm"),
}  # fmt: skip
ROOM = {module: room for room, modules in OUTSIDE.items() for module in modules}


def room_of(module):
    """The position of a module's room; None for the package itself and for what stands beside the rooms."""
    if module == "layers.operator":  # the layer of one operation of a file
        return ROOMS.index("operators")
    first = module.split(".")[0]
    name = "distributed" if first == "samples" else first if first in ROOMS else ROOM.get(first)
    return None if name is None else ROOMS.index(name)


def imports(tree):
    """Modules of tinytensor that are imported at the level of a module."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tinytensor."):
            yield node.module.partition(".")[2]
        elif isinstance(node, ast.ImportFrom) and node.module == "tinytensor":
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (
                each.name.partition(".")[2] for each in node.names if each.name.startswith("tinytensor.")
            )


MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if room_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts)) is not None
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_a_later_room(path):
    here = room_of(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
    wrong = []
    for module in imports(ast.parse(path.read_text("utf-8"))):
        there = room_of(module)
        if there is not None and there > here:
            wrong.append(f"{module}, of {ROOMS[there]}")
    assert not wrong, f"a module of {ROOMS[here]} imports {', '.join(wrong)}"


def test_every_module_of_the_package_has_a_room():
    names = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert names == set(ROOM)
