"""The configuration of a model of Keras, of any version, as one of ours; its classes are looked up here."""

from typing import Any

from tinytensor.errors import ModelFormatError, UnsupportedOp
from tinytensor.io.config import MAX_DEPTH, Config, State, shortened
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
OVER_ONNX = "over ONNX: model.export(path, format='onnx'), then tt.load"


def imported(described: Any, version: int, weights: Weights) -> tuple[Config, State]:
    """The model that a configuration and a file of weights are.

    Raises:
        UnsupportedOp: a layer that tinytensor does not have, or layers that are no chain; says which.
        ModelFormatError: the configuration is none, or the weights do not fit it.
    """
    model = understood(described, "the model", version, 0)
    if model.layers is None:
        raise UnsupportedOp(
            f"the model is a {shortened(model.kind)}; a Sequential or a functional model would help"
        )
    found, _ = chain(model, version, weights, None)
    return {"class": found.cls, "config": found.arguments}, found.state


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
    places = dict(zip(map(id, layers), weights.of(layers), strict=True))
    entries: list[Config] = []
    state: dict[str, Array] = {}
    taken: set[str] = set()
    for layer in layers if model.kind == "Sequential" else straight(model):
        rank = rank_of_input(layer, model, rank)
        found, rank = parts(layer, version, places[id(layer)], rank)
        for part in found:
            name = usable(f"{layer.name or ''}{part.suffix}", len(entries), taken)
            taken.add(name)
            entries.append({"name": name, "class": part.cls, "config": part.arguments})
            state |= {f"{name}.{key}": array for key, array in part.state.items()}
    return Part("Sequential", {"layers": entries}, state), rank


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


def straight(model: Described) -> list[Described]:
    """The layers of a functional model in the order in which they are computed, if each has one input.

    Raises:
        UnsupportedOp: the graph is no chain.
    """
    where = shortened(model.name)
    before: dict[Any, tuple[Any, Described]] = {}
    for layer in model.layers or ():
        nodes = layer.inbound
        sources = [source for node in nodes for source in inputs(node)] if isinstance(nodes, list) else [None]
        first = layer.kind == "InputLayer"
        if layer.name is None or len(sources) != (0 if first else 1) or None in sources:
            raise UnsupportedOp(
                f"{where}: {shortened(layer.name)}: expected a chain, in which each layer has one input and "
                f"is used once; others go {OVER_ONNX}"
            )
        before[layer.name] = (sources[0] if sources else None, layer)
    order = []
    name = only(model.config.get("output_layers"))
    while name in before:
        name, layer = before.pop(name)
        order.append(layer)
    if before or name is not None or not order or only(model.config.get("input_layers")) != order[-1].name:
        raise UnsupportedOp(f"{where}: expected a chain from one input to one output; others go {OVER_ONNX}")
    return order[::-1]


def inputs(node: Any) -> list[Any]:
    """The names of the layers whose outputs a call of a layer takes; None for what is unusual."""
    if isinstance(node, list):  # before Keras 3: [["dense", 0, 0, {…}], …]
        return [only(each[:3]) if isinstance(each, list) and not any(each[3:]) else None for each in node]
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
    if not isinstance(policy, str) or policy not in DTYPES:
        raise UnsupportedOp(
            f"{shortened(config.get('name'))}: expected a dtype of {', '.join(sorted(DTYPES))}, "
            f"got {shortened(policy)}"
        )


def usable(name: str, position: int, taken: set[str]) -> str:
    """The name if a Sequential takes it beside those it has, else the position."""
    name = name.replace(".", "_")
    return str(position) if not name or name.isdigit() or name in taken else name
