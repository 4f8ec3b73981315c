"""Writes data/small.keras, a model of every kind of layer, and data/small.json, what Keras makes of an input.

Run it as `KERAS_BACKEND=numpy python -m tests.io.make_keras`; it needs Keras 3.
"""

import json
import pathlib
import zipfile

import keras
import numpy as np
from keras import layers

DATA = pathlib.Path(__file__).parent / "data"


def small():
    """Images of 3×2 pixels and 2 channels, channels last."""
    block = keras.Sequential(
        [layers.Dense(6, use_bias=False, activation="gelu"), layers.BatchNormalization(), layers.PReLU()],
        name="block",
    )
    return keras.Sequential(
        [
            layers.Input((3, 2, 2)),
            layers.Rescaling([1 / 255, 1 / 127.5], offset=[0.0, -1.0]),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(5, activation="relu", name="hidden"),
            block,
            layers.LeakyReLU(negative_slope=0.2),
            layers.Dense(4),
            layers.Activation("tanh"),
            layers.Dense(3, activation="softmax", name="out"),
        ]
    )


def main():
    model = small()
    rng = np.random.default_rng(0)
    model.set_weights(
        [rng.uniform(0.1, 0.9, w.shape).astype(np.float32) - (w.ndim > 1) * 0.5 for w in model.get_weights()]
    )
    x = rng.integers(0, 256, (4, 3, 2, 2))
    y = np.asarray(model(x.astype(np.float32)))
    (DATA / "small.json").write_text(
        json.dumps({"keras": keras.__version__, "x": x.tolist(), "y": y.tolist()}) + "\n"
    )
    path = DATA / "small.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
