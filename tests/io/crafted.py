"""Files that lie: about sizes, offsets, shapes, dtypes, names, depths, overlaps, duplicates, other files."""

import itertools
import json
import struct
from importlib.util import find_spec

import numpy as np

from tests.io.crafted_archives import archives, arrays, pickles

HUGE = 1 << 40


def files(folder):
    """For each format its files; `folder` holds things that some of them point to."""
    (folder / "secret").write_bytes(bytes(64))
    found = {
        "safetensors": itertools.chain(tensors(), headers(), numbers(), structures()),
        "npz": itertools.chain(arrays(), archives()),
        "pickle": pickles(),
    }
    if find_spec("onnx"):
        from tests.io.crafted_onnx import onnx

        found["onnx"] = onnx(folder)
    return found


# safetensors


def headed(header, data=bytes(16), length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


GOOD = {"0.weight": tensor([2, 2], [0, 16])}


def tensors():
    for length in (0, 1, 1 << 20, 1 << 32, 1 << 62, (1 << 64) - 1):
        yield headed(GOOD, length=length)
    shapes = (
        [HUGE, HUGE],
        [1 << 62, 4],
        [0, 1 << 62],
        [1 << 63],
        [-2, -2],
        [2.0, 2],
        [True, 4],
        "2",
        [4] * 70,
        [[2], 2],
        None,
    )
    for shape in shapes:
        yield headed({"0.weight": tensor(shape, [0, 16])})
        yield headed({"0.weight": tensor(shape, [0, 0])}, b"")
    for offsets in (
        [0, 17],
        [1, 17],
        [16, 0],
        [0, HUGE],
        [-16, 0],
        [0],
        [0, 8, 16],
        [0, "16"],
        "0",
        None,
        [0.0, 16.0],
    ):
        yield headed({"0.weight": tensor([2, 2], offsets)})
    for dtype in ("F128", "f32", "", 4, None, "F8_E4M3", "C64", ["F32"], "O"):
        yield headed({"0.weight": tensor([2, 2], [0, 16], dtype)})
    yield headed({"a": tensor([2, 2], [0, 16]), "b": tensor([2, 2], [0, 16])})
    yield headed({"a": tensor([2], [0, 8]), "b": tensor([3], [4, 16])})
    yield headed({"a": tensor([1], [0, 4]), "b": tensor([1], [12, 16])})


def headers():
    yield headed(b'{"a": %s, "a": %s}' % ((json.dumps(tensor([4], [0, 16])).encode(),) * 2))
    yield headed(b" " + json.dumps(GOOD).encode())
    yield headed(json.dumps(GOOD).encode() + b" " * 64)
    for text in (
        b"",
        b"{",
        b"[]",
        b"{}",
        b"null",
        b'{"a": 1}',
        b"{" * 100_000,
        b'{"a":' * 100_000,
        b"\xff" * 64,
    ):
        yield headed(text)
    for metadata in (
        1,
        [],
        {"a": 1},
        {"a": None},
        {"tinytensor.format": "1"},
        {"tinytensor.config": "[" * 10_000},
    ):
        yield headed({"__metadata__": metadata, **GOOD})
    for name in (
        "",
        ".",
        "..",
        "weight",
        "\x00",
        "a" * 100_000,
        "0.weight.",
        ".weight",
        "__class__",
        "é\u2028",
    ):
        yield headed({name: tensor([2, 2], [0, 16])})
    yield headed({f"{i}.weight": tensor([0, 0], [0, 0]) for i in range(5000)}, b"")


def described(config, state=None):
    """A file of ours, all of whose checksums are right, with that configuration."""
    from safetensors.numpy import save

    from tinytensor import __version__
    from tinytensor.io.safetensors import checksum, crc_of_text

    state = state or {}
    text = config if isinstance(config, str) else json.dumps(config)
    sums = {name: f"{checksum(name, array):08x}" for name, array in state.items()}
    sums[""] = f"{crc_of_text(text):08x}"
    metadata = {"format": "1", "version": __version__, "config": text, "checksums": json.dumps(sums)}
    return save(state, {f"tinytensor.{key}": value for key, value in metadata.items()})


def layer(cls, **config):
    return {"class": cls, "config": config}


def chain(*layers):
    named = [{"name": str(i), **each} if isinstance(each, dict) else each for i, each in enumerate(layers)]
    return layer("Sequential", layers=named)


ONE = {"0.weight": np.ones((2, 2), np.float32)}


def numbers():
    for cls in (
        "os.system",
        "eval",
        "Lambda",
        "Layer",
        "Activation",
        "builtins.exec",
        "__import__",
        "",
        "Sequential ",
    ):
        yield described(layer(cls))
        yield described(chain(layer(cls, function="__import__('os').abort()")))
    for config in (
        "",
        "null",
        "3",
        "[]",
        "{",
        '{"class": "ReLU"}',
        '{"class": "ReLU", "config": []}',
        "NaN",
        '"x"',
    ):
        yield described(config)
    for n in (HUGE, -1, 0, 1.5, "2", None, True, [2], 1 << 70):
        yield described(chain(layer("Linear", in_features=n, out_features=2, bias=False)))
        yield described(chain(layer("Linear", in_features=n, out_features=2, bias=False)), ONE)
        yield described(chain(layer("Linear", in_features=2, out_features=2, bias=n)), ONE)
        yield described(chain(layer("Reshape", shape=[n])))
        yield described(chain(layer("Dropout", p=n)))
        yield described(chain(layer("Softmax", axis=n)))
        yield described(chain(layer("LeakyReLU", negative_slope=n)))
        yield described(chain(layer("Rescale", scale=n)))
        yield described(chain(layer("Operator", operation=n)))
        yield described(chain(layer("Sequential", layers=n)))


def structures():
    yield described(
        chain(
            layer("Linear", in_features=2, out_features=2, bias=False, seed=1, initializer="zeros"),
        ),
        ONE,
    )
    yield described(
        chain(
            layer("Linear", in_features=2, out_features=2, bias=False, dtype="O"),
        ),
        ONE,
    )
    yield described(chain(layer("ReLU", x=1)))
    yield described(chain(layer("GELU", approximate="evil")))
    yield described(chain({"name": "a.b", **layer("ReLU")}, {"name": "0", **layer("ReLU")}))
    yield described(layer("Sequential", layers=[{"name": "a", **layer("ReLU")}] * 2))
    yield described(layer("Sequential", layers=[layer("ReLU")]))
    deep = layer("ReLU")
    for _ in range(300):
        deep = chain(deep)
    yield described(deep)
    yield described(chain(*[layer("ReLU")] * 2000))
    for wires in (
        [],
        [[["x"], ["y"]]],
        [[["y"], ["y"]]],
        [[["x"], ["x"]]],
        [[[], []]],
        [1],
        None,
        [["x", "y"]],
        [[["x"], ["y"], ["z"]]],
    ):
        yield described(
            layer("Graph", input_names=["x"], output_names=["y"], layers=[layer("ReLU")], wires=wires)
        )
    yield described(layer("Graph", inputs=1, outputs=None, layers=[], wires=[]))
    yield described(
        layer("Graph", input_names=["x"], output_names=["y"], layers=[layer("Constant")], wires=[[[], ["y"]]])
    )
    yield described(
        layer("BatchNorm"), {name: np.ones(HUGE >> 38, np.float32) for name in ("weight", "bias")}
    )
    yield described(
        layer("Perceptron"), {"weights": np.ones((2, 3, 4), np.float32), "bias": np.ones(3, np.float32)}
    )
    yield described(layer("PReLU"), {"weight": np.ones((0, 2), np.float32)})
    yield described(layer("LayerNorm", eps="x"), {"weight": np.ones(2, np.float32)})
    yield described(
        chain(layer("ReLU")), {"0.weight": np.ones(2, np.float32), "__class__": np.ones(1, np.float32)}
    )
    yield described(layer("ReLU"), {"forward": np.ones(1, np.float32)})
    yield described(
        layer("Linear", in_features=2, out_features=2, bias=False), {"weight": np.ones((2, 2), bool)}
    )
