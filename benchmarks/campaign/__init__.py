"""Every promise put to the test, with counts: `python -m benchmarks.campaign --out DIR`."""
