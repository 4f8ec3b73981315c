"""From a trained network in float32 to one on bytes: what it computes, ranges, layers, a report."""
