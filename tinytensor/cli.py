"""The `tinytensor` command."""
