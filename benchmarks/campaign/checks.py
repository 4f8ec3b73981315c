"""The table of checks."""

from benchmarks.campaign import accuracy, cache, concurrency, rows
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
    )
}
