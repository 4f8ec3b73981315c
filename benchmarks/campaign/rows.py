"""The same row gives the same bits: ours in every way to call a model, and the others by batch size."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks.campaign.outcome import Count, Effort, Outcome
from benchmarks.networks import CHAPTER, LARGE, NORMED, Network, inputs, model
from benchmarks.peers import PEERS, absent, package

__all__ = ["instructions", "ours", "peers"]

MOST = 1024  # samples of a batch
QUICK_SIZES = (1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 31, 33, 64, 100, 255, 512, 1000, 1024)
CHUNKS = (1, 2, 3, 7, 16, 50, 64, 100, 333, 1000, 1024)
ELSEWHERE = 64  # samples that are computed with other instructions


@tt.activation
def squareplus(x, b=4.0):
    return (x + math.sqrt(x * x + b)) / 2


class Gated(tt.Layer):
    """y = x + tanh(x W) · σ(x V), as a user writes it."""

    def __init__(self) -> None:
        self.w, self.v = tt.Linear(50, 50, seed=3), tt.Linear(50, 50, seed=4)

    def forward(self, x: tt.Tensor) -> tt.Tensor:
        return x + tt.tanh(self.w(x)) * tt.sigmoid(self.v(x))


def own() -> tt.Sequential:
    """Layers and activations of a user's own."""
    return tt.Sequential(
        tt.Linear(784, 50, seed=1), squareplus, Gated(), tt.LayerNorm(50), tt.Linear(50, 10, seed=2),
        tt.log_softmax,
    )  # fmt: skip


def models() -> dict[str, tuple[tt.Layer, Any]]:
    """Models with 1,024 samples each."""
    digits = inputs("digits", MOST)
    images = digits.reshape(MOST, 1, 28, 28)
    return {
        "784-50-100-10, digits": (model(CHAPTER, False), digits),
        "784-50-100-10, digits as uint8": (model(CHAPTER, True), inputs("uint8", MOST)),
        "784-50-100-10, float64": (model(CHAPTER, False).astype("float64"), digits.astype(np.float64)),
        "784-512-512-10, dense": (model(LARGE, False), inputs("dense", MOST)),
        "784-256-256-10 with layer normalization": (model(NORMED[1], False), digits),
        "layers and activations of a user's own": (own(), digits),
        "convolutional network": (tt.models.mnist_cnn(), images),
    }


def bits(y: Any) -> Any:
    """Each row as bytes."""
    y = np.ascontiguousarray(y)
    return y.view(np.uint8).reshape(len(y), -1)


def compare(count: Count, got: Any, expected: Any, how: str) -> None:
    """Count the rows that have the same bits, and those that have not."""
    same = (bits(got) == bits(expected)).all(axis=1)
    count.right += int(same.sum())
    count.wrong += int((~same).sum())
    if not same.all() and not count.note:
        count.note = f"{how}: row {int(np.argmin(same))} differs"


def turned(x: Any, n: int) -> Any:
    """Which n of the samples a batch holds: another first one for each size, so that places vary."""
    return np.arange(n * 7, n * 7 + n) % len(x)


def ours(effort: Effort) -> Outcome:
    """Every batch size, 1 to 4 threads, chunks, layouts, fused or not, beside each row alone."""
    outcome = Outcome()
    sizes = effort.of(QUICK_SIZES, range(1, MOST + 1))
    for name, (made, x) in models().items():
        count = outcome.count(name)
        alone = np.concatenate([made.predict(x[i : i + 1], threads=1) for i in range(len(x))])
        for n in sizes:
            chosen = turned(x, n)
            for threads in (1, 2, 3, 4):
                how = f"batch {n}, {threads} threads"
                compare(count, made.predict(x[chosen], threads=threads), alone[chosen], how)
            if n in QUICK_SIZES:
                compare(count, made(x[chosen], fused=False), alone[chosen], f"batch {n}, not fused")
        for chunk in CHUNKS:
            for threads in (1, 2):
                got = made.predict(x, batch_size=chunk, threads=threads)
                compare(count, got, alone, f"chunks of {chunk}, {threads} threads")
            streamed = np.concatenate(list(made.predict_batches(x, batch_size=chunk)))
            compare(count, streamed, alone, f"a stream of batches of {chunk}")
        for how, laid in layouts(x):
            compare(count, made.predict(laid), alone, how)
    return outcome


def layouts(x: Any) -> Iterator[tuple[str, Any]]:
    """The same samples, lying differently in memory."""
    yield "Fortran order", np.asfortranarray(x)
    yield "every second row of an array", np.repeat(x, 2, axis=0)[::2]
    yield "reversed", x[::-1].copy()[::-1]
    yield "big endian", x.astype(x.dtype.newbyteorder(">"))


def instructions(effort: Effort) -> Outcome:
    """Kernels built for other instruction sets, each in a process of its own."""
    from tests.kernels.test_cpu import CASES
    from tinytensor.kernels import cpu

    outcome = Outcome()
    expected = dict(results())
    for name, (needed, environment, tiles) in CASES.items():
        if tiles is not None:
            continue
        if not needed <= cpu.features():
            outcome.left_out.append(f"{name}: this CPU has no {', '.join(sorted(needed - cpu.features()))}")
            continue
        count, file = outcome.count(f"{name}, against {cpu.vectors().name}"), effort.scratch / "results.npz"
        command = [sys.executable, "-m", "benchmarks.campaign.rows", str(file)]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        if done.returncode:
            count.add(False, done.stderr[-300:])
            continue
        with np.load(file) as found:
            for key, value in expected.items():
                compare(count, found[key], value, key)
        file.unlink()
    return outcome


def results() -> Iterator[tuple[str, Any]]:
    """Some outputs of every model, by what they are."""
    for name, (made, x) in models().items():
        for n in (1, ELSEWHERE):
            yield f"{name}, batch {n}", made.predict(x[:n])


NAMES = ("tinytensor", "NumPy", "PyTorch", "ONNX Runtime", "OpenVINO", "LiteRT", "JAX")


def peers(effort: Effort) -> Outcome:
    """Rows whose bits depend on the batch size, for us and for others: the same batches for all."""
    outcome, rows = Outcome(), []
    sizes = effort.of((1, 2, 3, 4, 7, 8, 16, 33, 100), (*range(1, 65), *range(65, MOST, 7), MOST))
    networks = ((CHAPTER, "digits"), (LARGE, "dense"))
    for name in NAMES:
        peer = PEERS[name]
        if why := absent(peer):
            outcome.left_out.append(f"{name}: {why}")
            continue
        cells = [f"{name} {package(peer)}"]
        for network, kind in networks:
            for threads in (1, 2):
                tried, differ = mismatches(peer.network, network, kind, threads, sizes)
                cells.append(f"{differ:,} of {tried:,}")
                if name == "tinytensor":
                    count = outcome.count(f"{network.name}, {threads} threads")
                    count.right, count.wrong = tried - differ, differ
        rows.append(cells)
    columns = [f"{network.name}, {n} thread{'s' * (n > 1)}" for network, _ in networks for n in (1, 2)]
    title = f"Rows whose bits differ from those of the row alone, {len(sizes)} batch sizes to {max(sizes):,}"
    outcome.tables.append((title, ["", *columns], rows))
    return outcome


def mismatches(
    adapter: Callable[..., Any] | None, network: Network, kind: str, threads: int, sizes: Any
) -> tuple[int, int]:
    """How many rows were compared, and how many differ from the same row alone."""
    assert adapter is not None
    x = inputs(kind, MOST, network.sizes[0])
    single = x[:1].copy()
    predict = adapter(network, single, threads)
    alone = []
    for row in x[: max(sizes)]:
        single[:] = row
        alone.append(np.array(predict()))
    expected, tried, differ = bits(np.concatenate(alone)), 0, 0
    for n in sizes:
        chosen = turned(expected, n)
        got = bits(np.array(adapter(network, np.ascontiguousarray(x[chosen]), threads)()))
        differ += int((got != expected[chosen]).any(axis=1).sum())
        tried += n
    return tried, differ


if __name__ == "__main__":
    np.savez(Path(sys.argv[1]), **dict(results()))
