"""The subcommands of `tinytensor`, one a module; `tinytensor.cli` has the table."""
