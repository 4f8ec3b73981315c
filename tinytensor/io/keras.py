"""Keras 3: `.keras` files, read without Keras, and models as objects.

A file is a ZIP archive of a configuration, whose classes are looked up here and nowhere else, and of the
weights, in HDF5 by the position of each layer among those of its class.

Source: `keras.src.saving.saving_lib` of Keras 3.
"""

import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinytensor.errors import DtypeError, ModelFormatError, UnsupportedOp
from tinytensor.io import hdf5
from tinytensor.io.archive import opened, read_member
from tinytensor.io.config import MAX_DEPTH, Config, State, build, shortened
from tinytensor.io.formats import located
from tinytensor.io.keras_layers import Part, Source, converted
from tinytensor.io.safetensors import HEADER_LIMIT, parse_json
from tinytensor.kernels.boundary import Array
from tinytensor.layers.layer import Layer

__all__ = ["from_keras", "read"]

CONFIG, WEIGHTS, SHARDED = "config.json", "model.weights.h5", "model.weights.json"
# Where Keras itself defines layers and models; its operations, some of the same names, are elsewhere.
MODULES = {
    "keras",
    "keras.layers",
    "keras.models",
    "keras.src.models.sequential",
    "keras.src.models.functional",
}
DTYPES = {"float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}
POLICIES = {"DTypePolicy", "FloatDTypePolicy"}
CHAINS = {"Sequential", "Functional", "Model"}


def from_keras(model: Any) -> Layer:
    """The model in a `.keras` file, or that a Keras 3 model is, as a `Sequential`.

    Samples keep Keras's layout, channels last. A layer with an activation becomes two, `name` and
    `name_activation`. float16 and bfloat16 become float32.

    Args:
        model: a path, or a `keras.Sequential` or functional model without branches.

    Raises:
        UnsupportedOp: a layer that tinytensor does not have, or layers that are no chain; says which.
        ModelFormatError: the file is damaged.
        DtypeError: neither a path nor a Keras model.
        MissingExtra: h5py is not installed.
    """
    if isinstance(model, str | os.PathLike):
        with located(model):
            return build(*read(Path(model)))
    keras = sys.modules.get("keras")  # there, if this is a model of Keras
    if keras is None or not isinstance(model, keras.Model):
        raise DtypeError(f"from_keras: expected a path or a Keras model, got {model!r:.80}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return build(*read(path))


def read(path: Path) -> tuple[Config, State]:
    """The configuration and the state dict in a `.keras` file.

    Raises:
        UnsupportedOp: a layer that tinytensor does not have; says which.
        ModelFormatError: the file is damaged.
    """
    with opened(path) as members:
        if SHARDED in members:
            raise ModelFormatError(
                f"{SHARDED}: expected the weights in one file; save without max_shard_size"
            )
        for name in (CONFIG, WEIGHTS):
            if name not in members:
                raise ModelFormatError(f"no {name} in it")
        if members[CONFIG][1].file_size > HEADER_LIMIT:
            raise ModelFormatError(f"{CONFIG}: expected at most {HEADER_LIMIT} bytes")
        text = read_member(members[CONFIG]).tobytes()
        content = read_member(members[WEIGHTS])
    described = parse_json(text.decode("utf-8", "replace"))
    with hdf5.opened(content) as arrays:
        return imported(described, arrays)


def imported(described: Any, arrays: hdf5.Arrays) -> tuple[Config, State]:
    """The model that a configuration and a file of weights are."""
    if class_of(described, "the model") not in CHAINS:
        raise UnsupportedOp(
            f"the model is a {shortened(described['class_name'])}; "
            "a Sequential or a functional model would help"
        )
    found = chain(described, arrays, "", 0)
    return {"class": found.cls, "config": found.arguments}, found.state


def class_of(described: Any, where: str) -> str:
    """The name of a class of Keras's, as a configuration has it."""
    if not isinstance(described, dict) or not isinstance(described.get("class_name"), str):
        raise ModelFormatError(f"{where}: expected a layer of Keras 3, got {shortened(described)}")
    if not isinstance(described.get("config"), dict):
        raise ModelFormatError(f"{where}: expected a configuration, got {shortened(described.get('config'))}")
    name, module = described["class_name"], described.get("module")
    if (
        not isinstance(module, str)
        or module not in MODULES
        or described.get("registered_name") not in (None, name)
    ):
        raise UnsupportedOp(
            f"{where}: {shortened(name)} of {shortened(module)} is no layer of Keras; one that Keras has "
            "would help, or the way over ONNX: model.export(path, format='onnx'), then tt.load"
        )
    return str(name)


def chain(described: Any, arrays: hdf5.Arrays, path: str, depth: int) -> Part:
    """A Sequential or functional model, with the models inside it."""
    where = shortened(described["config"].get("name"))
    layers = described["config"].get("layers")
    if not isinstance(layers, list) or depth > MAX_DEPTH:
        raise ModelFormatError(f"{where}: expected a list of layers, at most {MAX_DEPTH} inside one another")
    paths = dict(zip(map(id, layers), weight_paths(layers, path), strict=True))
    order = layers if described["class_name"] == "Sequential" else straight(described["config"], where)
    entries: list[Config] = []
    state: dict[str, Array] = {}
    for each in order:
        wanted = each["config"].get("name")
        for part in parts(each, arrays, paths[id(each)], depth):
            name = usable(f"{wanted}{part.suffix}", entries)
            entries.append({"name": name, "class": part.cls, "config": part.arguments})
            state |= {f"{name}.{key}": array for key, array in part.state.items()}
    return Part("Sequential", {"layers": entries}, state)


def parts(layer: Any, arrays: hdf5.Arrays, path: str, depth: int) -> list[Part]:
    """The layers that one of Keras's becomes."""
    kind, config = layer["class_name"], layer["config"]
    if kind in CHAINS:
        return [chain(layer, arrays, f"{path}/", depth + 1)]
    refuse_dtype(config)
    built = layer.get("build_config")
    shape = built.get("input_shape") if isinstance(built, dict) else None
    return converted(
        Source(
            kind,
            config,
            shape if isinstance(shape, list) else None,
            lambda inner: arrays.group("/".join(filter(None, (path, inner, "vars")))),
        )
    )


def weight_paths(layers: list[Any], prefix: str) -> Iterator[str]:
    """Where the weights of each layer are: named for its class, with a number from the second on."""
    counts: Counter[str] = Counter()
    for position, layer in enumerate(layers):
        name = snake_case(class_of(layer, f"{prefix}layers[{position}]"))
        count = counts[name]
        counts[name] += 1
        yield f"{prefix}layers/{name}_{count}" if count else f"{prefix}layers/{name}"


def snake_case(name: str) -> str:
    """A class's name in the words of the file.

    >>> snake_case("PReLU"), snake_case("BatchNormalization")
    ('p_re_lu', 'batch_normalization')
    """
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def straight(config: Config, where: str) -> list[Any]:
    """The layers of a functional model in the order in which they are computed, if each has one input.

    Raises:
        UnsupportedOp: the graph is no chain.
    """
    before: dict[Any, tuple[Any, Any]] = {}
    for layer in config["layers"]:
        name, nodes = layer.get("name"), layer.get("inbound_nodes")
        sources = [source for node in nodes for source in inputs(node)] if isinstance(nodes, list) else [None]
        first = layer["class_name"] == "InputLayer"
        if not isinstance(name, str) or len(sources) != (0 if first else 1) or None in sources:
            raise UnsupportedOp(
                f"{where}: {shortened(name)}: expected a chain, in which each layer has one input and is "
                "used once; others go over ONNX: model.export(path, format='onnx'), then tt.load"
            )
        before[name] = (sources[0] if sources else None, layer)
    order = []
    name = only(config.get("output_layers"))
    while name in before:
        name, layer = before.pop(name)
        order.append(layer)
    if before or name is not None or not order or only(config.get("input_layers")) != order[-1]["name"]:
        raise UnsupportedOp(f"{where}: expected a chain from one input to one output")
    return order[::-1]


def inputs(node: Any) -> list[Any]:
    """The names of the layers whose outputs a call of a layer takes; None for what is unusual."""
    arguments, named = (node.get("args"), node.get("kwargs")) if isinstance(node, dict) else (None, None)
    if not isinstance(arguments, list) or not isinstance(named, dict) or any(named.values()):
        return [None]
    found: list[Any] = []
    for argument in arguments:
        history = argument["config"].get("keras_history") if is_tensor(argument) else None
        found.append(only(history))
    return found


def is_tensor(argument: Any) -> bool:
    """Whether this says which layer's output is meant."""
    return (
        isinstance(argument, dict)
        and argument.get("class_name") == "__keras_tensor__"
        and isinstance(argument.get("config"), dict)
    )


def only(reference: Any) -> str | None:
    """The name in [name, 0, 0], or in a list of one such list: the first output of the first call."""
    if isinstance(reference, list) and len(reference) == 1:
        reference = reference[0]
    if isinstance(reference, list) and len(reference) == 3 and isinstance(reference[0], str):
        return reference[0] if reference[1:] == [0, 0] else None
    return None


def refuse_dtype(config: Config) -> None:
    """Raise if a layer's weights are not floats."""
    policy = config.get("dtype", "float32")
    if isinstance(policy, dict) and policy.get("class_name") in POLICIES:
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, dict) else None
    if not isinstance(policy, str) or policy not in DTYPES or config.get("quantization_config"):
        raise UnsupportedOp(
            f"{shortened(config.get('name'))}: expected a dtype of {', '.join(sorted(DTYPES))}, "
            f"got {shortened(policy)}"
        )


def usable(name: str, entries: list[Config]) -> str:
    """The name if a Sequential takes it beside those it has, else the position."""
    name = name.replace(".", "_")
    taken = {entry["name"] for entry in entries}
    return str(len(entries)) if not name or name.isdigit() or name in taken else name
