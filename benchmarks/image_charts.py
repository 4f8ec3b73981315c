"""A run of the networks of images as pictures: ratios by network and batch, and the roofline."""

from typing import Any

import numpy as np

from benchmarks.case import Result
from benchmarks.charts import GREY, INK, plain
from benchmarks.figures import OURS, by_case, fastest, ratio
from benchmarks.record import Run

__all__ = ["CHARTS"]

COLOURS = {1: "#d62728", 2: "#4d77b3"}  # by the number of threads
MARKERS = {1: "o", 10: "s", 100: "^", 1_000: "D"}  # by the batch


def ours(run: Run) -> list[Result]:
    """What went well."""
    return [each for each in run.results if each.peer == OURS and not each.failed]


def ratios(run: Run, plt: Any) -> tuple[Any, str] | None:
    """How many times as fast as the fastest other peer we are, a line for each network."""
    found = by_case(run.results)
    points = []
    for result in ours(run):
        best = fastest(found[result.key])
        if best is not None:
            points.append((result, ratio(result.values, found[result.key][best].values).median))
    if not points:
        return None
    names = list(dict.fromkeys(result.settings["network"] for result, _ in points))
    figure, ax = plt.subplots(figsize=(8.6, 1.6 + 0.5 * len(names)))
    for result, median in points:
        threads, rows = result.threads, result.settings["rows"]
        place = len(names) - names.index(result.settings["network"]) + (0.15 if threads == 1 else -0.15)
        label = f"batch {rows:,}, {threads} thread{'s' * (threads > 1)}"
        ax.scatter([median], [place], s=40, color=COLOURS.get(threads, GREY), marker=MARKERS.get(rows, "x"),
                   label=label, edgecolors="white", linewidths=0.6, zorder=3)  # fmt: skip
    ax.axvline(1, color=INK, lw=1.2)
    ax.set(xscale="log", xlabel="times as fast as the fastest other peer")
    ax.set_yticks(range(len(names), 0, -1), names)
    plain(ax.xaxis)
    ax.xaxis.set_major_formatter(lambda value, position: f"{value:g}×")
    labels = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    figure.legend(labels.values(), labels, ncols=4, loc="lower center", frameon=False, fontsize=8.5)
    ax.set_title("Networks of images: tinytensor against the fastest other peer")
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    return figure, "Above 1 tinytensor is faster; a mark for each batch and number of threads."


def roofline(run: Run, plt: Any) -> tuple[Any, str] | None:
    """GFLOP/s of each network at its largest batch over the operations for each byte, under the roof."""
    roof = run.roofline.get("1")
    largest = {each.settings["network"]: each for each in ours(run) if each.threads == 1}
    if not roof or "copy_gb_per_second" not in roof or not largest:
        return None
    figure, ax = plt.subplots(figsize=(8.6, 5))
    peak, speed = roof["peak_gflops"], roof["copy_gb_per_second"]
    places = {name: each.facts["flop"] / each.facts["bytes"] for name, each in largest.items()}
    x = np.geomspace(min(1, *places.values()) / 2, 2 * max(100, *places.values()), 200)
    ax.plot(x, np.minimum(peak, speed * x), color=INK, lw=2)
    ax.annotate(
        f"{peak:.0f} GFLOP/s, measured", (x[-1], peak), (0, 6), textcoords="offset points", ha="right"
    )
    for name, each in largest.items():
        rate = each.facts["flop"] / each.median / 1e9
        ax.scatter(
            [places[name]], [rate], s=46, color=COLOURS[1], edgecolors="white", linewidths=0.6, zorder=3
        )
        text = f"{name}, {each.label}: {rate / peak:.0%}"
        ax.annotate(text, (places[name], rate), (7, -4), textcoords="offset points", fontsize=8.5)
    ax.set(xscale="log", yscale="log", ylabel="GFLOP/s",
           xlabel="floating-point operations for each byte that must be moved")  # fmt: skip
    plain(ax.xaxis), plain(ax.yaxis)
    ax.set_title("Where each network lies under the roofline, one thread")
    figure.tight_layout()
    return (
        figure,
        "The roofline of one core; the share of the peak of multiply-adds stands beside each network.",
    )


CHARTS = {"image_ratios.png": ratios, "image_roofline.png": roofline}
