"""The table of checks."""

from benchmarks.campaign import accuracy, cache, calls, concurrency, files, memory, rows, wheel
from benchmarks.campaign.outcome import Check

__all__ = ["CHECKS"]

CHECKS = {
    check.name: check
    for check in (
        Check("scalars", "Accuracy of scalar functions", accuracy.scalars),
        Check("bounds", "Accuracy of products, convolutions and softmax", accuracy.bounds),
        Check("rows", "The same row, the same bits: batches, places, threads, chunks, layouts", rows.ours),
        Check("instructions", "The same row, the same bits: instruction sets", rows.instructions),
        Check("peers", "The same row, the same bits: other libraries", rows.peers),
        Check("concurrency", "Threads, forks, processes and event loops", concurrency.concurrency),
        Check("cache", "The compile cache in bad places", cache.cache),
        Check("calls", "Calls with arguments of every kind", calls.calls),
        Check("files", "Files: killed, changed, damaged", files.files),
        Check("guided", "Files: loaders under a fuzzer guided by coverage", files.guided),
        Check("memory", "Memory", memory.memory),
        Check("wheel", "Wheel and sdist", wheel.wheel),
    )
}
