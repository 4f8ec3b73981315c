"""Files of Keras 1 and 2, written by hand as they wrote them: `.h5`, and `.keras` of 2.13 to 2.15."""

import io
import json
import zipfile

import h5py
import numpy as np


def layer(kind, name, **config):
    """A layer as `.h5` files of Keras 2 describe it."""
    return {"class_name": kind, "config": {"name": name, "trainable": True, "dtype": "float32", **config}}


def dense(name, units, activation="linear", bias=True):
    return layer("Dense", name, units=units, activation=activation, use_bias=bias)


def sequential(*layers, shape, version="2.4.0", name="sequential"):
    """A Sequential: until Keras 2.2.2 a list of layers, the first of which has the shape."""
    if version < "2.2.3":
        first = {**layers[0], "config": {**layers[0]["config"], "batch_input_shape": shape}}
        return {"class_name": "Sequential", "config": [first, *layers[1:]]}
    start = layer("InputLayer", "input", batch_input_shape=shape)
    return {"class_name": "Sequential", "config": {"name": name, "layers": [start, *layers]}}


def functional(*layers, shape, cls="Functional"):
    """A chain as a functional model, in the order in which it is computed."""
    described = [
        {**layer("InputLayer", "input", batch_input_shape=shape), "name": "input", "inbound_nodes": []}
    ]
    for each in layers:
        before = described[-1]["name"]
        described.append({**each, "name": each["config"]["name"], "inbound_nodes": [[[before, 0, 0, {}]]]})
    ends = {"input_layers": [["input", 0, 0]], "output_layers": [[described[-1]["name"], 0, 0]]}
    return {"class_name": cls, "config": {"name": "model", "layers": described, **ends}}


def h5(config, weights, version="2.4.0", strings="fixed", names=None):
    """A whole model; `weights` are for each layer pairs of a name and an array."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        text = json.dumps(config)
        file.attrs["model_config"] = text if strings == "variable" else np.bytes_(text)
        if version:
            file.attrs["keras_version"] = version
        top = file.create_group("model_weights")
        top.attrs["layer_names"] = texts(names or list(weights), strings)
        for name, pairs in weights.items():
            group = top.create_group(name)
            group.attrs["weight_names"] = texts([each for each, _ in pairs], strings)
            for each, array in pairs:
                group.create_dataset(each, data=array)
    return buffer.getvalue()


def texts(names, strings):
    if strings == "variable":
        return np.array(names, h5py.string_dtype())
    return np.array([name.encode() for name in names]) if names else np.zeros(0)


def keras(config, groups, version):
    """A `.keras` file; `groups` are arrays by the path of what has them."""
    buffer, content = io.BytesIO(), io.BytesIO()
    with h5py.File(content, "w") as file:
        for path, arrays in groups.items():
            group = file.create_group(path).create_group("vars")
            for i, array in enumerate(arrays):
                group[str(i)] = array
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content.getvalue())
    return buffer.getvalue()


def small_h5(version="2.4.0", strings="fixed"):
    """3-2-1 with a leaky ReLU and batch norm."""
    rng = np.random.default_rng(0)
    slope = "negative_slope" if version >= "3" else "alpha"
    kernels = [rng.standard_normal(shape).astype(np.float32) for shape in ((3, 2), (2, 1))]
    config = sequential(
        dense("dense", 2), layer("LeakyReLU", "leaky", **{slope: 0.25}),
        layer("BatchNormalization", "norm", axis=[1], epsilon=0.001, center=True, scale=True),
        dense("out", 1, "hard_sigmoid"), shape=[None, 3], version=version,
    )  # fmt: skip
    ones = np.ones(2, np.float32)
    norm = [(f"norm/{name}:0", ones) for name in ("gamma", "beta", "moving_mean", "moving_variance")]
    weights = {
        "dense": [("dense/kernel:0", kernels[0]), ("dense/bias:0", ones)], "leaky": [], "norm": norm,
        "out": [("out/kernel:0", kernels[1]), ("out/bias:0", ones[:1])],
    }  # fmt: skip
    return h5(config, weights, version, strings)
