"""Run trained neural networks on a CPU, in batches, as fast as the silicon allows."""
