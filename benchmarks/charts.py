"""A run as pictures: throughput by batch size, ratios, and the roofline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Result
from benchmarks.figures import OURS, Ratio, by_case, fastest, ratio
from benchmarks.networks import CHAPTER, INPUTS, LARGE, SMALL
from benchmarks.peers import PEERS
from benchmarks.record import Run
from tinytensor.errors import require

__all__ = ["GREY", "INK", "draw", "plain"]

INK, GREY, GRID = "#1f2328", "#656d76", "#e4e8ec"
PANELS = [each.name for each in (CHAPTER, SMALL, LARGE)]
KINDS = {"digits": "#d62728", "uint8": "#e8833a", "dense": "#4d77b3"}
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": GREY, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "axes.axisbelow": True, "grid.color": GRID, "xtick.color": GREY, "ytick.color": GREY,
    "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "figure.facecolor": "white", "savefig.dpi": 144, "svg.hashsalt": "tinytensor",
}  # fmt: skip


def style(peer: str) -> dict[str, Any]:
    """Ours in front."""
    ours = peer == OURS
    colour = PEERS[peer].colour if peer in PEERS else GREY
    return {"color": colour, "lw": 2.8 if ours else 1.6, "zorder": 5 if ours else 3, "ms": 6 if ours else 4}


def plain(axis: Any) -> None:
    """Numbers on a logarithmic axis as people write them: 10k, not 10⁴; few between the decades."""
    ticker = require("matplotlib.ticker", "bench")
    low, high = axis.get_view_interval()
    steps = (1, 1.5, 2, 3, 5, 7) if high / low < 8 else (1, 2, 5) if high / low < 300 else (1,)
    axis.set_major_locator(ticker.LogLocator(subs=steps))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.EngFormatter(sep=""))


def charted(result: Result) -> bool:
    return result.suite == "mnist" and not result.failed and network(result) in PANELS


def mnist(run: Run, threads: int) -> list[Result]:
    """What went well in the suite of that name; of the networks that have a panel."""
    return [r for r in run.results if charted(r) and r.threads == threads]


def network(result: Result) -> str:
    """The name that the group begins with."""
    return result.group.partition(", ")[0]


def throughput(run: Run, plt: Any) -> tuple[Any, str] | None:
    """Rows per second by batch size, a panel for each network, real digits as float32."""
    found = [r for r in mnist(run, 1) if r.settings["input"] == "digits"]
    networks = list(dict.fromkeys(map(network, found)))
    networks = [n for n in networks if len({r.label for r in found if network(r) == n}) > 1]
    if not networks:
        return None
    figure, axes = plt.subplots(1, len(networks), figsize=(1.5 + 4.2 * len(networks), 4.6), squeeze=False)
    for ax, name in zip(axes[0], networks, strict=True):
        peers = dict.fromkeys(r.peer for r in found if network(r) == name)
        for peer in peers:
            points = sorted(
                (r.settings["rows"], r.settings["rows"] / r.median)
                for r in found
                if (network(r), r.peer) == (name, peer)
            )
            ax.plot(*zip(*points, strict=True), marker="o", label=peer, **style(peer))
        ax.set(xscale="log", yscale="log", title=name, xlabel="rows at once")
        plain(ax.xaxis), plain(ax.yaxis)
    axes[0][0].set_ylabel("rows per second")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=5, loc="lower center", frameon=False)
    figure.suptitle("Inference of real MNIST digits, one thread", x=0.01, ha="left", weight="bold", size=13)
    figure.tight_layout(rect=(0, 0.11, 1, 1))
    return figure, "Rows per second by batch size; both axes logarithmic, higher is better."


def ratios(run: Run, plt: Any) -> tuple[Any, str] | None:
    """How many times as fast as each case's fastest other peer we are, with the middle half of the rounds."""
    points: dict[tuple[str, int, str], list[tuple[int, Ratio]]] = {}
    for peers in by_case([r for r in run.results if charted(r)]).values():
        best, ours = fastest(peers), peers.get(OURS)
        if best and ours:
            line = network(ours), ours.threads, ours.settings["input"]
            points.setdefault(line, []).append(
                (ours.settings["rows"], ratio(ours.values, peers[best].values))
            )
    networks = list(dict.fromkeys(name for name, *_ in points))
    if not networks:
        return None
    figure, axes = plt.subplots(
        1, len(networks), figsize=(1.5 + 4.2 * len(networks), 4.4), squeeze=False, sharey=True
    )
    for (name, threads, kind), found in points.items():
        ax = axes[0][networks.index(name)]
        x, y = [rows for rows, _ in found], np.array([r.median for _, r in found])
        ends = np.array([[r.median - r.low for _, r in found], [r.high - r.median for _, r in found]])
        marker, line = ("o", "-") if threads == 1 else ("s", "--")
        label = f"{INPUTS[kind]}, {threads} thread{'s' * (threads > 1)}"
        ax.errorbar(x, y, ends, color=KINDS[kind], fmt=marker + line, ms=5, lw=1.8, capsize=2, label=label)
    for ax, name in zip(axes[0], networks, strict=True):
        ax.axhline(1, color=INK, lw=1.2)
        ax.set(xscale="log", yscale="log", title=name, xlabel="rows at once")
        plain(ax.xaxis)
    axis = axes[0][0].yaxis
    plain(axis)
    axis.set_major_formatter(lambda value, position: f"{value:g}×")
    axes[0][0].set_ylabel("times as fast as the fastest other peer")
    handles = {label: h for ax in axes[0] for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, ncols=3, loc="lower center", frameon=False)
    figure.suptitle("tinytensor against the fastest other peer", x=0.01, ha="left", weight="bold", size=13)
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    return (
        figure,
        "Above 1 tinytensor is faster; bars are the middle half of the rounds. Both axes logarithmic.",
    )


def roofline(run: Run, plt: Any) -> tuple[Any, str] | None:
    """GFLOP/s over the flops that each byte allows, under the measured roof."""
    roof, found = run.roofline.get("1"), [r for r in mnist(run, 1) if r.settings["input"] != "uint8"]
    if not roof or not found:
        return None
    figure, ax = plt.subplots(figsize=(8.6, 5))
    peak, speed = roof["peak_gflops"], roof["copy_gb_per_second"]
    x = np.geomspace(0.3, 600, 200)
    top = max([peak, *(r.facts["flop"] / r.median / 1e9 for r in found)])
    ax.plot(x, np.minimum(peak, speed * x), color=INK, lw=2)
    ax.annotate(f"{peak:.0f} GFLOP/s, measured", (600, peak), (0, 6), textcoords="offset points", ha="right")
    ax.annotate(f"{speed:.0f} GB/s", (1, speed), (8, -12), textcoords="offset points")
    for peer in dict.fromkeys(r.peer for r in found):
        for kind, marker in (("digits", "o"), ("dense", "s")):
            mine = [r for r in found if r.peer == peer and r.settings["input"] == kind]
            points = [(r.facts["flop"] / r.facts["bytes"], r.facts["flop"] / r.median / 1e9) for r in mine]
            if points:
                label = peer if kind == "digits" else None
                size = 46 if peer == OURS else 22
                colour, front = style(peer)["color"], style(peer)["zorder"]
                ax.scatter(*zip(*points, strict=True), size, colour, marker=marker, label=label, zorder=front,
                           edgecolors="white", linewidths=0.6)  # fmt: skip
    ax.set(xscale="log", yscale="log", ylim=(0.3, 2 * top), ylabel="GFLOP/s",
           xlabel="floating-point operations for each byte that must be moved")  # fmt: skip
    plain(ax.xaxis), plain(ax.yaxis)
    ax.legend(frameon=False, fontsize=8.5, loc="lower right")
    ax.set_title("Where each case lies under the roofline, one thread")
    figure.tight_layout()
    return figure, (
        "The roofline of one core. Circles: real digits, where skipped zeros may go past the dense peak; "
        "squares: input without zeros. Small batches stay in the cache, so they may pass the slope."
    )


Charts = dict[str, Callable[[Run, Any], tuple[Any, str] | None]]
CHARTS: Charts = {
    "throughput.png": throughput,
    "ratios.png": ratios,
    "roofline.png": roofline,
}


def draw(run: Run, folder: Path, charts: Charts = CHARTS) -> dict[str, str]:
    """Write the charts that the run has data for; their captions by file name."""
    matplotlib = require("matplotlib", "bench")
    matplotlib.use("agg")
    plt = require("matplotlib.pyplot", "bench")
    captions = {}
    with plt.rc_context(STYLE):
        for name, chart in charts.items():
            made = chart(run, plt)
            if made:
                figure, captions[name] = made
                figure.savefig(folder / name, metadata={"Software": None})
                plt.close(figure)
    return captions
