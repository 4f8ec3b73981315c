"""The layers that a `Sequential` composes, one a file; `tinytensor` itself is the table of contents."""
