"""Draw the pictures of the README and the documents: `python docs/draw.py` (extra `viz`).

Both show what tinytensor computes: the activations are evaluated, the digits are read by the shipped model.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np

import tinytensor as tt

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

PICTURES = Path(__file__).parent / "pictures"
BLUE, RED, GREY = "#1f6feb", "#cf222e", "#8c959f"
METADATA = {"Software": None}  # the same bytes from the same matplotlib


def activations() -> None:
    """Every activation over -5 … 5; softmax and its logarithm as what they make of (0, x)."""
    names = [name for name in tt.activations.names() if not name.endswith("softmax")]
    names += ["softmax", "log_softmax"]
    figure, axes = plt.subplots(4, 4, figsize=(9, 8.4), layout="constrained", sharex=True)
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    for axis, name in zip(axes.flat, names, strict=True):
        draw_activation(axis, name, x)
    figure.savefig(PICTURES / "activations.png", dpi=110, metadata=METADATA)
    plt.close(figure)


def draw_activation(axis: Axes, name: str, x: np.ndarray) -> None:
    """One curve."""
    f = tt.activations.get(name)
    label = name
    if name.endswith("softmax"):
        y, label = f(np.stack([np.zeros_like(x), x], axis=1)).numpy()[:, 1], f"{name} of (0, x)"
    else:
        y = f(x).numpy()
    if name == "step":  # no line through the jump
        y = np.where(np.abs(x) < 0.004, np.nan, y)
    axis.axhline(0, color=GREY, linewidth=0.6)
    axis.axvline(0, color=GREY, linewidth=0.6)
    axis.plot(x, y, color=BLUE, linewidth=1.8)
    axis.set_title(label, fontsize=11, family="monospace")
    axis.set_xticks([-4, 0, 4])
    axis.tick_params(labelsize=8, colors="#57606a")
    axis.spines[["top", "right"]].set_visible(False)


def digits() -> None:
    """Ten digits that the shipped network reads right, and ten that it does not."""
    images, labels = tt.datasets.mnist("sample")
    read = tt.models.mnist_mlp().predict(images).argmax(axis=1)
    right = [int(np.flatnonzero((labels == digit) & (read == digit))[0]) for digit in range(10)]
    wrong = np.flatnonzero(read != labels)[:10].tolist()
    figure, axes = plt.subplots(2, 10, figsize=(9, 2.4), layout="constrained")
    for axis, i in zip(axes.flat, right + wrong, strict=True):
        axis.imshow(images[i], cmap="gray_r")
        axis.set_title(f"{read[i]}", color=BLUE if read[i] == labels[i] else RED, fontsize=13)
        axis.set_xlabel("" if read[i] == labels[i] else f"is {labels[i]}", fontsize=9, color="#57606a")
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_color("#d0d7de")
    figure.savefig(PICTURES / "digits.png", dpi=110, metadata=METADATA)
    plt.close(figure)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    activations()
    digits()
