"""The onnx package's own tests of its operations, through its own runner: passed, refused, never wrong."""

import runpy
import sys
import tempfile
import types
import unittest
import warnings

import numpy as np
import pytest

import tinytensor as tt
from tinytensor.io.onnx.external import Files
from tinytensor.io.onnx.program import ML, program_of
from tinytensor.io.onnx.semantics import NEWEST, modernize
from tinytensor.io.onnx.simplify import simplify
from tinytensor.operators.table import OPERATORS

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
base = pytest.importorskip("onnx.backend.base")

OPERATIONS = {name for name in NEWEST if not name.startswith(ML)}
TYPES = {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.BOOL}
POOLS = ("lppool",)  # takes seconds, and is none of our operations
LIMITS = ("spatial axes",)  # of what we compute of images


class Prepared(base.BackendRep):
    """A model that was imported."""

    def __init__(self, model):
        self.model = model

    def run(self, inputs, **_):
        y = self.model(*inputs)
        return tuple(map(np.asarray, y if isinstance(y, tuple) else (y,)))


class TinyTensor(base.Backend):
    """What the runner takes: refusals are noted, as the runner counts them as passed."""

    refusals = []  # noqa: RUF012
    models = []  # noqa: RUF012
    made_of = staticmethod(lambda model, proto: model)

    @classmethod
    def prepare(cls, model, device="CPU", **_):
        cls.models.append(model)
        try:
            return Prepared(cls.made_of(tt.from_onnx(model, halves="refuse"), model))
        except tt.UnsupportedOp as error:
            cls.refusals.append(str(error))
            from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

            raise BackendIsNotSupposedToImplementIt(str(error)) from error

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"


def as_program(model, proto):
    """A model as the function in the Python file that it is saved to."""
    shape = None
    if not isinstance(model, tt.Graph):
        shape = [each.dim_value or None for each in proto.graph.input[0].type.tensor_type.shape.dim]
        if not shape:
            raise tt.UnsupportedOp("samples that are one number")
        shape = shape[1:]
    with tempfile.TemporaryDirectory() as folder:
        tt.io.save(model, f"{folder}/m.py", shape)
        return runpy.run_path(f"{folder}/m.py")["predict"]


@pytest.fixture(scope="module")
def cases():
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, where cases overflow on purpose
        for name in POOLS:
            full = f"onnx.backend.test.case.node.{name}"
            if full not in sys.modules:
                patch.setitem(sys.modules, full, types.ModuleType(full))
        from onnx.backend.test import BackendTest

        found = BackendTest(TinyTensor, __name__).test_cases
    return {name.removeprefix("OnnxBackend").removesuffix("ModelTest"): case for name, case in found.items()}


def outcomes(case):
    """For every test its outcome, what was said, and the model."""
    for name in unittest.defaultTestLoader.getTestCaseNames(case):
        if not name.endswith("_cpu"):
            continue
        TinyTensor.refusals.clear()
        TinyTensor.models.clear()
        result = unittest.TestResult()
        case(name).run(result)
        said = "".join(text for _, text in result.failures + result.errors) or "".join(TinyTensor.refusals)
        outcome = "wrong" if not result.wasSuccessful() else "refused" if TinyTensor.refusals else "passed"
        yield name, outcome, said, TinyTensor.models[0] if TinyTensor.models else None


def in_reach(model):
    """Whether a model is of the operations in the list, on float32, int64 and bools."""
    values = [*model.graph.input, *model.graph.output]
    return {node.op_type for node in model.graph.node} <= OPERATIONS and {
        value.type.tensor_type.elem_type for value in values
    } <= TYPES


def test_nodes(cases, capsys):
    found = list(outcomes(cases["Node"]))
    wrong = [(name, said) for name, outcome, said, _ in found if outcome == "wrong"]
    reach = [(name, outcome, said) for name, outcome, said, model in found if in_reach(model)]
    passed = sum(outcome == "passed" for _, outcome, _ in reach)
    everywhere = sum(outcome == "passed" for _, outcome, _, _ in found)
    with capsys.disabled():
        print(
            f"\nonnx {onnx.__version__}, node tests: {passed} of {len(reach)} of our operations on float32, "
            f"int64 and bools pass; of all {len(found)}: {everywhere} pass, {len(wrong)} are wrong"
        )
    assert wrong == []
    assert len(reach) >= 515
    refused = [(name, said) for name, outcome, said in reach if outcome == "refused"]
    limits = ("training", "opset 1:", *LIMITS)
    assert [each for each in refused if not any(limit in each[1] for limit in limits)] == []


@pytest.mark.parametrize("kind", ["Simple", "PyTorchOperator", "PyTorchConverted"])
def test_models(cases, capsys, kind):
    found = list(outcomes(cases[kind]))
    passed = sum(outcome == "passed" for _, outcome, _, _ in found)
    with capsys.disabled():
        print(f"\nonnx {onnx.__version__}, {kind}: {passed} of {len(found)} pass")
    assert [(name, said) for name, outcome, said, _ in found if outcome == "wrong"] == []
    for name, outcome, said, model in found:
        if outcome == "refused":
            old = model.opset_import[0].version < 7 and "axis" in said
            old = old or any(limit in said for limit in LIMITS)
            assert old or {node.op_type for node in model.graph.node} - OPERATIONS, (name, said)


def test_nodes_as_programs(cases, capsys, monkeypatch):
    monkeypatch.setattr(TinyTensor, "made_of", as_program)
    found = [outcome for outcome in outcomes(cases["Node"]) if outcome[1] != "refused"]
    with capsys.disabled():
        passed = sum(outcome == "passed" for _, outcome, _, _ in found)
        print(f"\nonnx {onnx.__version__}, node tests as Python files: {passed} of {len(found)} pass")
    assert [(name, said) for name, outcome, said, _ in found if outcome == "wrong"] == []


def computed(program, inputs):
    """Every result of a step with what was known of it before, from the inputs of a test."""
    values = simplify(program)
    have = {name: tt.Tensor(np.asarray(each), each.dtype) for name, each in inputs.items()}
    have |= {name: tt.Tensor(array, array.dtype) for name, array in program.constants.items()}
    have[""] = None
    for step in program.steps:
        if step.op in OPERATORS and all(name in have for name in step.inputs):
            y = OPERATORS[step.op](*(have[name] for name in step.inputs), **step.attributes)
            results = dict(zip(step.outputs, y if isinstance(y, tuple) else (y,), strict=False))
            have.update(results)
            yield from ((step.op, values[name], each) for name, each in results.items() if name)


def test_shapes_are_what_was_inferred(cases):
    from onnx.backend.test.case.node import collect_testcases

    wrong, told, operations = [], 0, set()
    for case in collect_testcases(None):
        try:
            program = program_of(case.model, Files(None), False)
            modernize(program)
            arrays = dict(zip(program.inputs, map(np.asarray, case.data_sets[0][0]), strict=True))
            found = list(computed(program, arrays))
        except (tt.TinyTensorError, ValueError):  # refused, or an input left out
            continue
        for op, known, result in found:
            fits = known.shape is None or (
                len(known.shape) == result.ndim
                and all(a in (None, b) for a, b in zip(known.shape, result.shape, strict=True))
            )
            if not fits or known.dtype != result.dtype.name:
                wrong.append((case.name, op, known, result))
            told += known.shape is not None
            operations.add(op)
    assert wrong == []
    assert told > 4000
    assert len(operations) >= 90
