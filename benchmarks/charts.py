"""A run as pictures: throughput by batch size, ratios, and the roofline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Result
from benchmarks.figures import OURS, by_case, fastest, ratio
from benchmarks.networks import INPUTS
from benchmarks.peers import PEERS
from benchmarks.record import Run
from tinytensor.errors import require

__all__ = ["draw"]

INK, GREY, GRID = "#1f2328", "#656d76", "#e4e8ec"
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
    steps = (1, 2, 5) if high / low < 300 else (1,)
    axis.set_major_locator(ticker.LogLocator(subs=steps))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.EngFormatter(sep=""))


def mnist(run: Run, threads: int) -> list[Result]:
    """What went well in the suite of that name."""
    return [r for r in run.results if r.suite == "mnist" and not r.failed and r.threads == threads]


def network(result: Result) -> str:
    return "-".join(map(str, result.settings["network"]))


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
    bars = []
    for peers in by_case(mnist(run, 1)).values():
        best = fastest(peers)
        if best and OURS in peers:
            settings = peers[OURS].settings
            name = f"{network(peers[OURS])}, {settings['input']}, batch {settings['rows']:,}"
            bars.append((name, best, ratio(peers[OURS].values, peers[best].values)))
    if not bars:
        return None
    figure, ax = plt.subplots(figsize=(8.6, 1.4 + 0.27 * len(bars)))
    ax.set_xscale("log", base=2)
    for y, (_, best, r) in enumerate(reversed(bars)):
        colour = PEERS[best].colour if best in PEERS else GREY
        ax.barh(y, r.median - 1, left=1, height=0.66, color=colour, alpha=0.9)
        ax.plot([r.low, r.high], [y, y], color=INK, lw=1.2, zorder=6)
        end = max(r.high, 1)
        ax.annotate(f"{r.median:.2f}×", (end, y), (5, 0), textcoords="offset points", va="center", size=8.5)
    ax.set_yticks(range(len(bars)), [name for name, *_ in reversed(bars)], size=8.5)
    ax.axvline(1, color=INK, lw=1)
    ax.set(xlabel="times as fast as the fastest other peer (right of 1: tinytensor is faster)")
    ax.set_xlim(min(0.5, *(r.low for *_, r in bars)) / 1.1, max(2.0, *(r.high for *_, r in bars)) * 1.25)
    ax.xaxis.set_major_formatter(lambda value, position: f"{value:g}×")
    ax.margins(y=0.01)
    ax.grid(axis="y", visible=False)
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=PEERS[b].colour) for b in dict.fromkeys(b for _, b, _ in bars)
    ]
    ax.legend(handles, dict.fromkeys(b for _, b, _ in bars), title="fastest other peer", frameon=False,
              loc="lower right", fontsize=8.5, title_fontsize=8.5)  # fmt: skip
    ax.set_title("tinytensor against the fastest other peer of each case, one thread")
    figure.tight_layout()
    kinds = "; ".join(f"{kind}: {meaning}" for kind, meaning in INPUTS.items())
    return figure, f"Ratios with the middle half of their rounds ({kinds})."


def roofline(run: Run, plt: Any) -> tuple[Any, str] | None:
    """GFLOP/s over the flops that each byte allows, under the measured roof."""
    roof, found = run.roofline.get("1"), [r for r in mnist(run, 1) if r.settings["input"] != "uint8"]
    if not roof or not found:
        return None
    figure, ax = plt.subplots(figsize=(8.6, 5))
    peak, speed = roof["peak_gflops"], roof["copy_gb_per_second"]
    x = np.geomspace(0.3, 600, 200)
    ax.plot(x, np.minimum(peak, speed * x), color=INK, lw=2)
    ax.annotate(f"{peak:.0f} GFLOP/s, measured", (600, peak), (0, 6), textcoords="offset points", ha="right")
    ax.annotate(f"{speed:.0f} GB/s", (0.34, speed * 0.34), (0, 12), textcoords="offset points", rotation=35)
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
    ax.set(xscale="log", yscale="log", ylim=(0.3, 2.2 * peak), ylabel="GFLOP/s",
           xlabel="floating-point operations for each byte that must be moved")  # fmt: skip
    plain(ax.xaxis), plain(ax.yaxis)
    ax.legend(frameon=False, fontsize=8.5, loc="lower right")
    ax.set_title("Where each case lies under the roofline, one thread")
    figure.tight_layout()
    return figure, (
        "The roofline of one core. Circles: real digits, where skipped zeros may go past the dense peak; "
        "squares: input without zeros. Small batches stay in the cache, so they may pass the slope."
    )


CHARTS: dict[str, Callable[[Run, Any], tuple[Any, str] | None]] = {
    "throughput.png": throughput,
    "ratios.png": ratios,
    "roofline.png": roofline,
}


def draw(run: Run, folder: Path) -> dict[str, str]:
    """Write the charts that the run has data for; their captions by file name."""
    matplotlib = require("matplotlib", "bench")
    matplotlib.use("agg")
    plt = require("matplotlib.pyplot", "bench")
    captions = {}
    with plt.rc_context(STYLE):
        for name, chart in CHARTS.items():
            made = chart(run, plt)
            if made:
                figure, captions[name] = made
                figure.savefig(folder / name, metadata={"Software": None})
                plt.close(figure)
    return captions
