"""Draw the pictures of the site and the README (extra `viz`).

The build of the site draws its own pictures into `docs/pictures/drawn`; `python docs/draw.py` draws the
digits of the README, which are kept. All of them show what tinytensor computes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import tinytensor as tt

PICTURES = Path(__file__).parent / "pictures"
BLUE, RED, GREY, PALE = "#1f6feb", "#cf222e", "#8c959f", "#ddf4ff"
CURVES = ("step", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "swish", "gelu")
A, B = np.array([[1, 2], [3, 4]]), np.array([[5, 6], [7, 8]])
WIDE, TALL = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 2], [3, 4], [5, 6]])


def figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


# The README


def digits() -> Figure:
    """Ten digits that the packaged network reads right, and the first ten that it does not."""
    images, labels = tt.datasets.mnist("sample")
    y = tt.models.mnist_mlp().predict(images)
    right = y.argmax(axis=1) == labels
    shown = [int(np.flatnonzero((labels == digit) & right)[0]) for digit in range(10)]
    shown += np.flatnonzero(~right)[:10].tolist()
    return tt.plot.digits(images[shown], y[shown], labels[shown])


# The chapter


def perceptron() -> Figure:
    """The sum 0.5 x₁ + 0.5 x₂ - 0.7 over the plane, and what the perceptron makes of it."""
    drawn = figure(7, 3)
    side = np.linspace(-0.5, 1.5, 201, dtype=np.float32)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    total = (tt.Tensor(plane) @ [0.5, 0.5] - 0.7).numpy()
    decided = tt.Perceptron([0.5, 0.5], -0.7)(plane).numpy()
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    for axis, values, title in zip(
        drawn.subplots(1, 2), (total, decided), ("w₁x₁ + w₂x₂ + b", "y = 1 where it is above 0"), strict=True
    ):
        shade = axis.imshow(
            values.reshape(201, 201),
            origin="lower",
            extent=(-0.5, 1.5, -0.5, 1.5),
            cmap="RdBu",
            vmin=-1,
            vmax=1,
        )
        axis.plot(side, 1.4 - side, color="black", linewidth=1)
        ones = tt.Perceptron([0.5, 0.5], -0.7)(corners).numpy() == 1
        axis.scatter(*corners.T, c=np.where(ones, BLUE, "white"), edgecolors="black", zorder=3)
        axis.set(xlim=(-0.5, 1.5), ylim=(-0.5, 1.5), xlabel="x₁", ylabel="x₂", title=title)
    drawn.colorbar(shade, ax=drawn.axes)
    return drawn


def matrices(*parts: Any, marked: dict[int, Any] | None = None) -> Figure:
    """Matrices as boxes of numbers, and signs between them; `marked` cells of a part are coloured."""
    wide = sum(part.shape[1] + 0.5 if isinstance(part, np.ndarray) else 0.7 for part in parts)
    high = max(len(part) for part in parts if isinstance(part, np.ndarray))
    drawn = figure(0.55 * wide + 0.2, 0.55 * high + 0.2)
    axis = drawn.subplots()
    axis.set(xlim=(-0.1, wide), ylim=(-high / 2 - 0.1, high / 2 + 0.1), aspect="equal")
    axis.axis("off")
    x = 0.0
    for number, part in enumerate(parts):
        if isinstance(part, str):
            axis.text(x + 0.2, 0, part, ha="center", va="center", fontsize=14)
            x += 0.7
            continue
        cells = (marked or {}).get(number, np.zeros(part.shape, bool))
        for (row, column), value in np.ndenumerate(part):
            at = (x + column, len(part) / 2 - row - 1)
            colour = PALE if cells[row, column] else "white"
            axis.add_patch(mpl.patches.Rectangle(at, 1, 1, facecolor=colour, edgecolor=GREY, linewidth=0.8))
            axis.text(at[0] + 0.5, at[1] + 0.5, f"{value:g}", ha="center", va="center", fontsize=12)
        x += part.shape[1] + 0.5
    return drawn


def computed(a: Any, sign: str, b: Any) -> Figure:
    """a sign b = the result, computed by tinytensor."""
    x, y = tt.Tensor(a), tt.Tensor(b)
    result = {"+": lambda: x + y, "−": lambda: x - y, "·": lambda: x * y}[sign]().numpy()
    return matrices(np.asarray(a), sign, b, "=", result) if np.ndim(a) else matrices(f"{a}", b, "=", result)


def product(a: Any, b: Any, row: int, column: int) -> Figure:
    """a b = c, with one element of c, its row of a and its column of b coloured."""
    c = (tt.Tensor(a) @ tt.Tensor(b)).numpy()
    marks = [np.zeros(each.shape, bool) for each in (a, b, c)]
    marks[0][row], marks[1][:, column], marks[2][row, column] = True, True, True
    return matrices(a, b, "=", c, marked={0: marks[0], 1: marks[1], 3: marks[2]})


def transpose(a: Any) -> Figure:
    """A matrix and its transpose, the first row coloured in both."""
    marks = np.zeros(a.shape, bool)
    marks[0] = True
    turned = tt.Tensor(a).T.numpy()
    return matrices(a, "→", turned, marked={0: marks, 2: marks.T})


def neurons(sizes: tuple[int, ...] = (2, 3, 2, 2), layer: int | None = None) -> Figure:
    """A network of neurons; with `layer`, the weights into that layer only are coloured."""
    drawn = figure(1.9 * len(sizes), 0.9 * max(sizes))
    axis = drawn.subplots()
    axis.set(
        xlim=(-0.4, 1.7 * (len(sizes) - 1) + 0.4), ylim=(-max(sizes) / 2, max(sizes) / 2), aspect="equal"
    )
    axis.axis("off")
    places = [[(1.7 * k, (n - 1) / 2 - i) for i in range(n)] for k, n in enumerate(sizes)]
    for k in range(1, len(sizes)):
        for start in places[k - 1]:
            for end in places[k]:
                colour = BLUE if layer in (None, k) else "#d0d7de"
                axis.plot(*zip(start, end, strict=True), color=colour, linewidth=1, zorder=1)
    last = len(sizes) - 1
    for k, column in enumerate(places):
        for i, place in enumerate(column):
            axis.add_patch(mpl.patches.Circle(place, 0.32, facecolor="white", edgecolor="black", zorder=2))
            name = f"$x_{i + 1}$" if k == 0 else f"$y_{i + 1}$" if k == last else f"$z_{i + 1}^{{({k})}}$"
            axis.text(*place, name, ha="center", va="center", fontsize=12, zorder=3)
    return drawn


def softmax() -> Figure:
    """Three numbers, their powers, their probabilities; and those of the numbers with 1 added."""
    a = tt.Tensor([0.3, 2.9, 4.0])
    titles = ("a", "e^a", "softmax(a)", "softmax(a + 1)")
    drawn = figure(8, 2.2)
    values = (a, tt.exp(a), tt.softmax(a), tt.softmax(a + 1))
    for axis, each, title in zip(drawn.subplots(1, 4), values, titles, strict=True):
        bars = axis.bar([1, 2, 3], each.numpy(), color=BLUE)
        axis.bar_label(bars, [f"{value:.3g}" for value in each.tolist()], fontsize=8)
        axis.set_title(title, fontsize=11)
        axis.set(xticks=[1, 2, 3], yticks=[])
        axis.margins(y=0.2)
        axis.spines[["top", "right", "left"]].set_visible(False)
    return drawn


def softmax_of_two() -> Figure:
    """Both components of softmax(0, x), which are sigmoid(-x) and sigmoid(x)."""
    x = np.linspace(-6, 6, 241, dtype=np.float32)
    p = tt.softmax(np.stack([np.zeros_like(x), x], axis=1)).numpy()
    drawn = figure(4.5, 2.6)
    axis = drawn.subplots()
    axis.plot(x, p[:, 0], color=RED, label="1 / (1 + e^x)")
    axis.plot(x, p[:, 1], color=BLUE, label="e^x / (1 + e^x)")
    axis.legend(frameon=False)
    axis.set(xlabel="x", title="softmax(0, x)")
    axis.spines[["top", "right"]].set_visible(False)
    return drawn


def pixels() -> Figure:
    """One digit, and the numbers of its pixels."""
    image = tt.datasets.mnist("sample")[0][300]
    drawn = figure(8, 7.4)
    axis = drawn.subplots()
    axis.imshow(image, cmap="gray_r", vmin=0, vmax=255)
    for (row, column), value in np.ndenumerate(image):
        shade = "white" if value > 127 else GREY
        axis.text(column, row, str(value), ha="center", va="center", fontsize=6, color=shade)
    axis.set(xticks=[], yticks=[])
    return drawn


def sample() -> Figure:
    """The first three of each digit in the packaged sample, with their labels."""
    images, labels = tt.datasets.mnist("sample")
    shown = [int(np.flatnonzero(labels == digit)[k]) for k in range(3) for digit in range(10)]
    return tt.plot.digits(images[shown], labels=labels[shown])


# The guides


def filters() -> Figure:
    return tt.plot.filters(tt.models.mnist_cnn()[FIRST].weight)


def feature_maps() -> Figure:
    model = tt.models.mnist_cnn()
    return tt.plot.feature_maps(
        model.outputs(tt.datasets.mnist("sample")[0][300:301], FIRST)[FIRST].numpy()[0]
    )


def confusion() -> Figure:
    images, labels = tt.datasets.mnist("sample")
    return tt.plot.confusion(labels, tt.models.mnist_mlp().predict(images))


FIRST = next(name for name, layer in tt.models.mnist_cnn().children().items() if isinstance(layer, tt.Conv2d))
DRAWN: dict[str, Callable[[], Figure]] = {
    "perceptron": perceptron,
    **{name: lambda name=name: tt.plot.activation(name) for name in CURVES},
    "matrix": lambda: matrices(WIDE),
    "sum": lambda: computed(A, "+", B),
    "difference": lambda: computed(A, "−", B),
    "scalar_product": lambda: computed(2, "·", A),
    "product": lambda: product(A, B, 0, 1),
    "product_of_rectangles": lambda: product(WIDE, TALL, 1, 0),
    "product_reversed": lambda: product(B, A, 0, 1),
    "transpose": lambda: transpose(A),
    "transpose_of_a_rectangle": lambda: transpose(WIDE),
    "neurons": neurons,
    **{f"layer{k}": lambda k=k: neurons(layer=k) for k in (1, 2, 3)},
    "softmax": softmax,
    "softmax_of_two": softmax_of_two,
    "chain": lambda: tt.plot.network(tt.models.mnist_mlp(), shape=(28, 28)),
    "pixels": pixels,
    "sample": sample,
    "filters": filters,
    "feature_maps": feature_maps,
    "confusion": confusion,
    "digits": digits,
    "activations": tt.plot.activations,
}
KEPT = "digits"  # as a PNG, for the README


def pictures_of_the_site(folder: Path) -> None:
    """Draw all of them, as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "tinytensor"  # the same bytes from the same matplotlib
    for name, draw in DRAWN.items():
        draw().savefig(folder / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    DRAWN[KEPT]().savefig(PICTURES / f"{KEPT}.png", dpi=110, metadata={"Software": None})
