"""Other programs' models as functions of arrays, with what they compute on the way, by name."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinytensor.errors import DtypeError, MissingExtra, UnsupportedOp, require
from tinytensor.io.formats import identify, load
from tinytensor.io.onnx.reader import inlined
from tinytensor.kernels.boundary import Array, as_operand
from tinytensor.layers.graph import Graph
from tinytensor.layers.layer import Layer
from tinytensor.layers.sequential import Sequential
from tinytensor.tensors import Tensor

__all__ = ["Reference", "Values", "model_values", "reference_of"]


class Values(NamedTuple):
    """What a model makes of an input: its outputs, and values inside it by name."""

    outputs: list[Array]
    inner: Mapping[str, Array]


class Reference(NamedTuple):
    """A model that another program runs, and the dtypes that it wants its inputs in, if it is particular."""

    program: str
    run: Callable[[Sequence[Array]], Values]
    dtypes: Sequence[str] = ()


def reference_of(reference: Any) -> Reference:
    """How to run a path, a `ModelProto`, a PyTorch module, a Keras model, an estimator, or any callable.

    Raises:
        DtypeError: it is none of them.
        ModelFormatError: the file is no model.
        MissingExtra: the program that runs it is not installed.
    """
    torch, keras, onnx = (sys.modules.get(name) for name in ("torch", "keras", "onnx"))
    if isinstance(reference, str | os.PathLike):
        return of_file(Path(reference))
    if onnx is not None and isinstance(reference, onnx.ModelProto):
        return of_onnx(reference)
    if isinstance(reference, Layer):
        return Reference("tinytensor", lambda inputs: model_values(reference, inputs))
    if keras is not None and isinstance(reference, keras.Model):  # on PyTorch it is one of its modules, too
        program = f"Keras {keras.__version__}"
        return Reference(program, lambda inputs: keras_values(reference, keras, inputs), ["float32"])
    if torch is not None and isinstance(reference, torch.nn.Module):
        return of_torch(reference, torch)
    if type(reference).__module__.startswith("sklearn."):
        call = getattr(reference, "predict_proba", None) or getattr(reference, "predict", None)
        call = call or reference.transform
        return Reference("scikit-learn", lambda inputs: Values(arrays(call(*inputs)), {}))
    if callable(reference):
        return Reference("a function", lambda inputs: Values(arrays(reference(*inputs)), {}))
    raise DtypeError(
        f"verify: expected a model, a path or a function as the reference, got {reference!r:.80}"
    )


def arrays(outputs: Any) -> list[Array]:
    """One output or several as arrays."""
    return [np.asarray(each) for each in (outputs if isinstance(outputs, tuple | list) else [outputs])]


def of_file(path: Path) -> Reference:
    """A file, run by the program that wrote it where that is installed, else by tinytensor."""
    module = identify(path).module
    if module == "tinytensor.io.onnx":
        return of_onnx(inlined(path))
    if module == "tinytensor.io.keras":
        try:
            return reference_of(require("keras", "keras").models.load_model(path))
        except MissingExtra as error:
            raise MissingExtra("verify: only Keras itself can run its files; pip install keras") from error
    return reference_of(load(path))


def of_torch(module: Any, torch: Any) -> Reference:
    """A module; PyTorch does not promote, so inputs have the dtype of its parameters."""
    dtypes = [str(each.dtype).removeprefix("torch.") for each in module.parameters()]
    wanted = [dtype for dtype in dtypes if dtype in ("float32", "float64")][:1]
    return Reference(
        f"PyTorch {torch.__version__}", lambda inputs: torch_values(module, torch, inputs), wanted
    )


def of_onnx(model: Any) -> Reference:
    """By ONNX Runtime or, where that is not installed, by the onnx package's own slow evaluator."""
    onnx = require("onnx", "onnx")
    found: list[Any] = []
    for name in ("onnxruntime", "onnx.reference"):
        try:
            found.append(require(name, "onnx"))
        except MissingExtra:
            continue
    program = "ONNX Runtime" if found[0].__name__ == "onnxruntime" else "onnx.reference"
    version = getattr(found[0], "__version__", onnx.__version__)
    run = runtime_values if program == "ONNX Runtime" else evaluator_values
    dtypes = [
        onnx.helper.tensor_dtype_to_np_dtype(each.type.tensor_type.elem_type).name for each in asked(model)
    ]
    return Reference(f"{program} {version}", lambda inputs: run(found[0], onnx, model, inputs), dtypes)


def asked(model: Any) -> list[Any]:
    """The inputs that a model asks for."""
    constants = {each.name for each in model.graph.initializer}
    return [each for each in model.graph.input if each.name not in constants]


def watched(onnx: Any, model: Any) -> tuple[Any, list[str], list[str]]:
    """A copy of a model whose every value is an output, the names of its outputs, and of the others."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    outputs = [each.name for each in model.graph.output]
    names = [name for node in model.graph.node for name in node.output if name and name not in outputs]
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return copy, outputs, names


def fed(model: Any, inputs: Sequence[Array]) -> dict[str, Array]:
    """The inputs by the names of those that a model asks for."""
    names = [each.name for each in asked(model)]
    if len(names) != len(inputs):
        raise DtypeError(f"verify: expected {len(names)} inputs ({', '.join(names):.200}), got {len(inputs)}")
    return dict(zip(names, inputs, strict=True))


def runtime_values(ort: Any, onnx: Any, model: Any, inputs: Sequence[Array]) -> Values:
    """The values of ONNX Runtime, without the optimisations that would remove some."""
    copy, outputs, names = watched(onnx, model)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(outputs + names, fed(model, inputs))
    return Values(values[: len(outputs)], dict(zip(names, values[len(outputs) :], strict=True)))


def evaluator_values(reference: Any, onnx: Any, model: Any, inputs: Sequence[Array]) -> Values:
    """The values of the onnx package's evaluator."""
    found = reference.ReferenceEvaluator(model).run(None, fed(model, inputs), intermediate=True)
    outputs = [each.name for each in model.graph.output]
    inner = {name: np.asarray(value) for name, value in found.items() if name not in outputs}
    return Values([np.asarray(found[name]) for name in outputs], inner)


def torch_values(module: Any, torch: Any, inputs: Sequence[Array]) -> Values:
    """The values of a module in eval mode, and of the modules in it."""
    inner: dict[str, Array] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: Any, __: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                inner[name] = output.detach().cpu().numpy().copy()

        return hook

    training = module.training
    hooks = [each.register_forward_hook(keep(name)) for name, each in module.named_modules() if name]
    try:
        with torch.no_grad():
            outputs = module.eval()(*(torch.from_numpy(np.array(each)) for each in inputs))
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    outputs = outputs if isinstance(outputs, tuple | list) else [outputs]
    return Values([each.detach().cpu().numpy() for each in outputs], inner)


def keras_values(model: Any, keras: Any, inputs: Sequence[Array]) -> Values:
    """The values of a model, and of its layers as `from_keras` names what they become."""

    def numpy(values: Any) -> list[Array]:
        values = values if isinstance(values, tuple | list) else [values]
        return [np.asarray(keras.ops.convert_to_numpy(each)) for each in values]

    outputs = numpy(model(inputs[0] if len(inputs) == 1 else list(inputs), training=False))
    try:
        layers = {layer.name: layer.output for layer in model.layers}
        values = numpy(keras.Model(model.inputs, list(layers.values()))(list(inputs), training=False))
    except (AttributeError, ValueError):  # a model in Python code, or with a layer that is called twice
        return Values(outputs, {})
    found = dict(zip(layers, values, strict=True))
    return Values(outputs, found | {f"{name}_activation": value for name, value in found.items()})


def model_values(model: Layer, inputs: Sequence[Array]) -> Values:
    """The values of a model of ours: of a layer that has an activation in Keras, those after it."""
    if isinstance(model, Graph):
        tensors = [Tensor._wrap(as_operand(each)) for each in inputs]
        traced = {name: value.numpy() for name, value in model.values(*tensors).items()}
        return Values([traced[name] for name in model.output_names], traced)
    if len(inputs) != 1:
        raise UnsupportedOp(f"verify: a {type(model).__name__} has one input, got {len(inputs)}")
    if not isinstance(model, Sequential):
        return Values([model(inputs[0]).numpy()], {})
    inner = {str(name): value.numpy() for name, value in model.outputs(inputs[0]).items()}
    output = inner[list(model.children())[-1]] if len(model) else model(inputs[0]).numpy()
    return Values([output], {name: each for name, each in inner.items() if f"{name}_activation" not in inner})
