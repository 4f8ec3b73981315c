"""From a `forward` to numbers: traces, the programs made of them, and what runs these."""
