"""What more of something costs: rows, width, depth; and what more threads bring."""

from benchmarks.case import Case, Suite
from benchmarks.networks import CHAPTER, Network
from benchmarks.suites import mnist

ROWS = (1, 10, 100, 1_000, 10_000, 100_000)
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
DEPTHS = (1, 2, 4, 8, 16, 32)
FASTEST = ("tinytensor", "NumPy", "ONNX Runtime", "OpenVINO", "PyTorch", "JAX")


def cases(quick: bool, threads: list[int]) -> list[Case]:
    rows, widths, depths = ((1, 10_000), (64, 256), (1, 8)) if quick else (ROWS, WIDTHS, DEPTHS)

    def case(network: Network, n: int, count: int, **named: str) -> Case:
        return mnist.case("scaling", network, "digits", n, count, **named)

    found = [case(CHAPTER, n, 1, group=f"rows, {CHAPTER.name}", label=f"{n:,}") for n in rows]
    for width in widths:
        network = Network((784, width, width, 10), "relu")
        found.append(case(network, 1_000, 1, group="width w, 784-w-w-10, 1,000 rows", label=str(width)))
    for depth in depths:
        network = Network((784, *[100] * depth, 10), "relu")
        found.append(case(network, 1_000, 1, group="hidden layers of 100, 1,000 rows", label=str(depth)))
    for count in sorted({1, *threads}):
        plural = "s" * (count > 1)
        one = case(CHAPTER, 10_000, count, group="threads, 10,000 rows", label=f"{count} thread{plural}")
        one.settings["threads_vary"] = True
        found.append(one)
    return found


SUITE = Suite(
    "rows, layer width, depth and threads",
    cases,
    lambda peer, case: peer.name in FASTEST,
    mnist.worker,
    "µs/row",
    ("rows/s", "µs/row", "GFLOP/s", "share of peak", "max error"),
    mnist.prepare,
)
