"""Every operation that a `forward` can be written with, defined once with all its rules."""
