"""A bounded run of the campaign; `python -m tests.random_nets --count N` is the long one."""

from collections import Counter

import numpy as np

import tinytensor as tt
from tests.oracle import ELEMENTWISE, LAYERS
from tests.random_nets import DTYPES, KINDS, check, run
from tinytensor.inference.plan import Plan
from tinytensor.io.config import known_classes
from tinytensor.operators import activations as other

NETS = 8 * len(KINDS)
OF_IMAGES = {  # tests/test_images.py has their oracles, tests/test_image_nets.py random nets of them
    "AdaptiveAvgPool2d", "AvgPool1d", "AvgPool2d", "ChannelsFirst", "ChannelsLast", "Conv1d", "Conv2d",
    "ConvTranspose2d", "Embedding", "GlobalAvgPool2d", "GlobalMaxPool2d", "MaxPool1d", "MaxPool2d", "Pad",
    "Upsample",
}  # fmt: skip
# every parameter of an activation, every choice of a layer, dtype and layout
PARAMETERS = [
    *(
        f"{name}({key})"
        for name in ELEMENTWISE
        for key in (getattr(tt, name, None) or getattr(other, name))().config()
    ),
    *(f"BatchNorm.axis={axis}" for axis in (1, -1)),
    *(f"{name}.axis={axis}" for name in ("Softmax", "LogSoftmax") for axis in (1, -1)),
    *(f"GELU.approximate={form}" for form in ("none", "tanh")),
    *(f"bias={given}" for given in (True, False)),
    *(f"dtype {np.dtype(dtype)}" for dtype in DTYPES),
    *(f"layout {layout}" for layout in ("C", "F", "reversed", "strided")),
]
OFTEN = 5  # nets, so that a fault of one choice is not found by chance

ON_BYTES = {  # tests/test_quantized_layers.py has their oracles
    "Dequantize", "FromInt8", "Lookup", "Quantize", "QuantizedAdd", "QuantizedAvgPool2d", "QuantizedConv2d",
    "QuantizedGlobalAvgPool2d", "QuantizedLinear", "ToInt8",
}  # fmt: skip


def test_random_nets_are_the_same_fused_unfused_and_within_the_bound_of_an_oracle():
    faults, drawn = run(NETS)
    assert not faults
    assert all(drawn[kind] >= 8 for kind in KINDS)  # net i holds kind i mod len(KINDS)
    assert {name: drawn[name] for name in PARAMETERS if drawn[name] < OFTEN} == {}
    assert drawn["oracle"] > NETS // 2


def test_the_oracle_knows_every_layer_and_activation():
    known = {*LAYERS, *ELEMENTWISE, "Sequential"}
    # Exponential grows without bound; the others are layers of graphs
    others = {"Exponential", "Graph", "Operator", "Constant"}
    assert {each.__name__ for each in known_classes()} - known - OF_IMAGES - ON_BYTES == others


def test_a_wrong_net_is_found(monkeypatch):
    monkeypatch.setattr(Plan, "run", lambda self, xs, *others: np.asarray(xs[0]) * 2)
    monkeypatch.setattr(Plan, "at_once", lambda self, *others: None)
    assert "differ" in check(0, Counter())


def test_an_error_beyond_the_bound_is_found(monkeypatch):
    monkeypatch.setitem(LAYERS, "Linear", lambda layer, x: [1e3] * layer.out_features)
    faults, _ = run(2, first=0)
    assert any("times the bound" in fault for fault in faults.values())
