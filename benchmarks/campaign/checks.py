"""The table of checks."""

from benchmarks.campaign import accuracy
from benchmarks.campaign.outcome import Check

__all__ = ["CHECKS"]

CHECKS = {
    check.name: check
    for check in (
        Check("scalars", "Accuracy of scalar functions", accuracy.scalars),
        Check("bounds", "Accuracy of products, convolutions and softmax", accuracy.bounds),
    )
}
