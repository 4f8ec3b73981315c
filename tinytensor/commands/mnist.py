"""Recognise handwritten digits; print accuracy and speed.

Without --data, the test set comes from the user's cache or from a download into it; where there is no
network, the 1,000 digits that come with the package stand in.
--model is the name of a packaged model or a file. A model in a file gets rows of 784 pixels from 0 to 1; raw
pixels, if it has a Rescale layer.
"""

import importlib.util
import json
import shutil
import statistics
import sys
import time
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

import tinytensor as tt
from tinytensor.commands.arguments import Choice, command_of, count, json_option, load_model
from tinytensor.commands.picture import picture, side_by_side
from tinytensor.errors import DownloadError, MissingExtra, ShapeError
from tinytensor.models.pixels import of_raw_pixels

__all__ = ["command"]

Bytes = NDArray[np.uint8]

OURS = ("mlp", "cnn")  # tt.models.mnist_mlp and tt.models.mnist_cnn
TIMED_SECONDS = 0.5
BORDER = 2  # pixels that hardly any digit reaches: without them, three digits fit into 80 columns


class Result(NamedTuple):
    """What the command found out."""

    split: str
    images: Bytes
    labels: Bytes
    predicted: NDArray[np.intp]
    passes: int
    digits_per_second: float

    @property
    def misread(self) -> NDArray[np.intp]:
        """Which digits were."""
        return np.flatnonzero(self.predicted != self.labels)

    @property
    def confusion(self) -> NDArray[np.intp]:
        """(10, 10): how many of each digit, by row, were read as each digit, by column."""
        return np.bincount(10 * self.labels.astype(np.intp) + self.predicted, minlength=100).reshape(10, 10)

    @property
    def accuracy(self) -> float:
        """The part that was read right."""
        return 1 - len(self.misread) / len(self.labels)


@command_of("mnist", __doc__)
@click.option("--data", metavar="DIR", help="A folder with MNIST's IDX files, gzipped or plain.")
@click.option("--split", type=Choice(["test", "sample"]), help="Which digits; default: test, or sample.")
@click.option("--model", default="mlp", show_default=True, help="mlp, cnn or a file of your own.")
@click.option(
    "--batch-size", metavar="N", type=count, default=1000, show_default=True, help="Digits at a time."
)
@click.option("--limit", metavar="N", type=count, help="Only the first N digits.")
@json_option
def command(
    data: str | None, split: str | None, model: str, batch_size: int, limit: int | None, as_json: bool
) -> None:
    """Load the model and the digits, put one through the other, print what came out."""
    network = chosen(model)
    split, images, labels = digits(split, data)
    images, labels = images[:limit], labels[:limit]
    bar = sys.stdout.isatty() and not as_json and bool(importlib.util.find_spec("rich"))
    scores = network.predict(images, batch_size=batch_size, progress=bar)
    if scores.shape != (len(images), 10):
        raise ShapeError(f"{model}: expected a model that gives (n, 10), got {scores.shape}")
    passes = timed_passes(network, images, batch_size)
    result = Result(
        split, images, labels, scores.argmax(axis=1), len(passes), len(images) / statistics.median(passes)
    )
    print(figures(result) if as_json else report(result))


def chosen(model: str) -> Any:
    """The packaged model of that name, or the one in that file, of raw pixels."""
    if model in OURS:
        return getattr(tt.models, f"mnist_{model}")()
    return of_raw_pixels(load_model(model))


def digits(asked: str | None, folder: str | None) -> tuple[str, Bytes, Bytes]:
    """The split and its images and labels; the sample where the test set was not asked for by name."""
    split = asked or "test"
    try:
        return split, *tt.datasets.mnist(split, folder)
    except (DownloadError, MissingExtra):
        if asked:
            raise
        print(
            "tinytensor mnist: the test set is not here and could not be downloaded (--split test says why); "
            "running on the embedded sample",
            file=sys.stderr,
        )
        return "sample", *tt.datasets.mnist("sample")


def timed_passes(model: Any, images: Bytes, batch_size: int) -> list[float]:
    """Seconds for each pass over all images, of as many passes as are needed to tell."""
    passes: list[float] = []
    while sum(passes) < TIMED_SECONDS:
        begin = time.perf_counter()
        model.predict(images, batch_size=batch_size)
        passes.append(time.perf_counter() - begin)
    return passes


def figures(result: Result) -> str:
    """The figures for another program."""
    misread = [
        {"index": int(i), "label": int(result.labels[i]), "predicted": int(result.predicted[i])}
        for i in result.misread
    ]
    found = {
        "split": result.split,
        "digits": len(result.labels),
        "correct": len(result.labels) - len(misread),
        "accuracy": result.accuracy,
        "digits_per_second": result.digits_per_second,
        "timed_passes": result.passes,
        "confusion": result.confusion.tolist(),
        "misread": misread,
    }
    return json.dumps(found)


def report(result: Result) -> str:
    """The figures, the confusion matrix and a few misread digits for a reader."""
    n, wrong = len(result.labels), len(result.misread)
    source = "the sample that comes with tinytensor" if result.split == "sample" else "the test set"
    lines = [
        f"digits    {n:,} of {source}",
        f"accuracy  {100 * result.accuracy:.2f}%: {n - wrong:,} right, {wrong:,} misread",
        f"speed     {result.digits_per_second:,.0f} digits a second; "
        f"for the timing alone, the {n:,} were repeated {result.passes:,} times",
        "",
        *confusion_table(result.confusion),
    ]
    if wrong:
        width = 28 - 2 * BORDER + 2
        shown = result.misread[: max(shutil.get_terminal_size().columns // width, 1)]
        drawn = [
            [f"{result.labels[i]} read as {result.predicted[i]}", *picture(inner(result.images[i]))]
            for i in shown
        ]
        lines += ["", *side_by_side(drawn)]
    return "\n".join(lines)


def inner(image: Bytes) -> Bytes:
    """The image without its border."""
    return image[BORDER:-BORDER, BORDER:-BORDER]


def confusion_table(confusion: NDArray[np.intp]) -> list[str]:
    """A row for each digit, a column for what it was read as."""
    width = max(len(f"{confusion.max():,}"), 3) + 1
    head = " " * 10 + "".join(f"{digit:>{width}}" for digit in range(10))
    rows = [
        f"{'digit ' + str(digit) if digit == 0 else str(digit):>10}"
        + "".join(f"{n:>{width},}" if n else "·".rjust(width) for n in row)
        for digit, row in enumerate(confusion)
    ]
    return ["read as".rjust(10) + head[10:], *rows]
