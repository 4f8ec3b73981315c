"""The layers that a `Sequential` composes."""
