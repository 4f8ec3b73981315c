"""The configuration of a model of Keras, of any version, as one of ours; its classes are looked up here."""

from collections.abc import Iterator
from typing import Any

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io import keras_graph
from tinytensor.io.config import MAX_DEPTH, Config, State, shortened
from tinytensor.io.keras_graph import OVER_ONNX
from tinytensor.io.keras_layers import converted, modern, rank_after
from tinytensor.io.keras_source import Described, Part, Source
from tinytensor.io.keras_weights import Weights
from tinytensor.kernels.boundary import Array

__all__ = ["imported"]

# Where Keras itself defines layers and models; its operations, some of the same names, are elsewhere.
MODULES = {
    "keras",
    "keras.layers",
    "keras.models",
    "keras.engine.functional",
    "keras.engine.sequential",
    "keras.src.engine.functional",
    "keras.src.engine.sequential",
    "keras.src.models.functional",
    "keras.src.models.sequential",
    "tf_keras.src.engine.functional",
    "tf_keras.src.engine.sequential",
}
DTYPES = {"float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"}
POLICIES = {"DTypePolicy", "FloatDTypePolicy", "Policy", "PolicyV1"}
CHAINS = {"Sequential", "Functional", "Model"}


def imported(described: Any, version: int, weights: Weights) -> tuple[Config, State]:
    """The model that a configuration and a file of weights are.

    Raises:
        UnsupportedOp: a layer that tinytensor does not have, or an unusual call of one; says which.
        ModelFormatError: the configuration is none, or the weights do not fit it.
    """
    model = understood(described, "the model", version, 0)
    if model.layers is None:
        raise UnsupportedOp(
            f"the model is a {shortened(model.kind)}; a Sequential or a functional model would help"
        )
    refuse_masks(model)
    found, _ = chain(model, version, weights, None)
    return {"class": found.cls, "config": found.arguments}, found.state


def refuse_masks(model: Described) -> None:
    """Raise if an Embedding marks steps that a layer may leave out of a mean or a softmax."""
    layers = list(everything(model))
    masked = [each for each in layers if each.kind == "Embedding" and each.config.get("mask_zero")]
    readers = [each for each in layers if each.kind in ("GlobalAveragePooling1D", "Softmax")]
    if masked and readers:
        raise UnsupportedOp(
            f"Embedding {shortened(masked[0].name)}: mask_zero: {readers[0].kind} "
            f"{shortened(readers[0].name)} would leave steps out, which tinytensor does not; an Embedding "
            "without mask_zero would help"
        )


def everything(model: Described) -> Iterator[Described]:
    """The layers of a model, and those inside them."""
    for each in model.layers or ():
        yield each
        yield from everything(each)


def understood(described: Any, where: str, version: int, depth: int) -> Described:
    """A layer or model with all inside it, of classes of Keras."""
    if not isinstance(described, dict) or not isinstance(described.get("class_name"), str):
        raise ModelFormatError(f"{where}: expected a layer of Keras, got {shortened(described)}")
    config, kind = described.get("config"), described["class_name"]
    if kind == "Sequential" and isinstance(config, list):  # until Keras 2.2.2
        config = {"layers": config}
    if not isinstance(config, dict):
        raise ModelFormatError(f"{where}: expected a configuration, got {shortened(config)}")
    # Files of Keras 1 and 2, and `.h5` files of Keras 3, name no module but where it is unusual.
    module, registered = described.get("module", "keras"), described.get("registered_name")
    if not isinstance(module, str) or module not in MODULES or registered not in (None, kind):
        raise UnsupportedOp(
            f"{where}: {shortened(kind)} of {shortened(module)} is no layer of Keras; one that Keras has "
            f"would help, or the way {OVER_ONNX}"
        )
    name = config.get("name", described.get("name"))
    if not isinstance(name, str | None):
        raise ModelFormatError(f"{where}: expected a name, got {shortened(name)}")
    layers = None
    if kind in CHAINS:
        listed = config.get("layers")
        if not isinstance(listed, list) or depth > MAX_DEPTH:
            raise ModelFormatError(
                f"{where}: expected a list of layers, at most {MAX_DEPTH} inside one another"
            )
        layers = tuple(
            understood(each, f"{shortened(name)}: layers[{i}]", version, depth + 1)
            for i, each in enumerate(listed)
        )
    else:
        kind, config = modern(kind, config, version)
    return Described(kind, name, config, described.get("inbound_nodes"), layers)


def chain(model: Described, version: int, weights: Weights, rank: int | None) -> tuple[Part, int | None]:
    """A Sequential or functional model, with the models inside it, and how many axes its output has."""
    layers = model.layers or ()
    order = layers if model.kind == "Sequential" else keras_graph.straight(model)
    if order is None:
        return graph(model, version, weights)
    places = dict(zip(map(id, layers), weights.of(layers), strict=True))
    entries: list[Config] = []
    state: dict[str, Array] = {}
    taken: set[str] = set()
    for layer in order:
        rank = rank_of_input(layer, model, rank)
        found, rank = parts(layer, version, places[id(layer)], rank)
        for part in found:
            name = usable(f"{layer.name or ''}{part.suffix}", len(entries), taken)
            taken.add(name)
            entries.append({"name": name, "class": part.cls, "config": part.arguments})
            state |= {f"{name}.{key}": array for key, array in part.state.items()}
    return Part("Sequential", {"layers": entries}, state), rank


def graph(model: Described, version: int, weights: Weights) -> tuple[Part, int | None]:
    """A functional model with branches, as a Graph: a value for each call of a layer."""
    places = dict(zip(map(id, model.layers or ()), weights.of(model.layers or ()), strict=True))
    inputs, outputs, calls = keras_graph.wired(model)
    entries: list[Config] = []
    wires: list[Any] = []
    state: dict[str, Array] = {}
    ranks: dict[str, int | None] = {}
    for call in calls:
        layer = call.layer
        rank = rank_of_input(layer, layer, ranks[call.reads[0]] if call.reads else None)
        if layer.kind == "InputLayer":
            ranks[call.value] = rank
            continue
        if layer.kind in keras_graph.MERGES and len({ranks[each] for each in call.reads}) > 1:
            raise UnsupportedOp(f"{shortened(layer.name)}: expected values of as many axes, to merge them")
        found, ranks[call.value] = (
            (keras_graph.merged(layer, len(call.reads)), rank)
            if layer.kind in keras_graph.MERGES
            else parts(layer, version, places[id(layer)], rank)
        )
        pairwise = layer.kind in keras_graph.MERGES and layer.kind != "Concatenate"
        reads = call.reads[:2] if pairwise else call.reads
        for position, part in enumerate(found):
            value = call.value if position == len(found) - 1 else f"{call.value}/{position}"
            state |= {f"layers.{len(entries)}.{key}": array for key, array in part.state.items()}
            entries.append({"class": part.cls, "config": part.arguments})
            wires.append([reads, [value]])
            reads = [value, *call.reads[position + 2 : position + 3]]
    arguments = {"input_names": inputs, "output_names": outputs, "layers": entries, "wires": wires}
    return Part("Graph", arguments, state), ranks[outputs[0]] if len(outputs) == 1 else None


def rank_of_input(layer: Described, model: Described, rank: int | None) -> int | None:
    """How many axes the input of a layer has: as it says itself, as before it, or as its model says."""
    shapes = [layer.config.get(key) for key in ("batch_shape", "batch_input_shape")]
    if rank is None:
        shapes.append(model.config.get("build_input_shape"))
    return next((len(shape) for shape in shapes if isinstance(shape, list)), rank)


def parts(
    layer: Described, version: int, weights: Weights, rank: int | None
) -> tuple[list[Part], int | None]:
    """The layers that one of Keras's becomes, and how many axes its output has."""
    if layer.layers is not None:
        found, rank = chain(layer, version, weights, rank)
        return [found], rank
    if layer.kind != "InputLayer":
        refuse_dtype(layer.config)
    source = Source(layer.kind, layer.config, rank, version, weights.paths, weights.arrays.array)
    return converted(source), rank_after(layer, rank)


def refuse_dtype(config: Config) -> None:
    """Raise if a layer's weights are not floats."""
    policy = config.get("dtype", "float32")
    if isinstance(policy, dict) and policy.get("class_name") in POLICIES:
        inner = policy.get("config")
        policy = inner.get("name") if isinstance(inner, dict) else None
    if not isinstance(policy, str) or policy not in DTYPES:
        raise UnsupportedOp(
            f"{shortened(config.get('name'))}: expected a dtype of {', '.join(sorted(DTYPES))}, "
            f"got {shortened(policy)}"
        )


def usable(name: str, position: int, taken: set[str]) -> str:
    """The name if a Sequential takes it beside those it has, else the position."""
    name = name.replace(".", "_")
    return str(position) if not name or name.isdigit() or name in taken else name
