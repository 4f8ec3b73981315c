"""Mutants that survive because they change nothing that is promised: by module and change, and why."""

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, dict[str, str]] = {
    "io/archive.py": {
        "if whence == io.SEEK_SET and offset < 0: → if whence <= io.SEEK_SET and offset < 0:": (
            "SEEK_SET is 0, the least value of `whence`"
        ),
    },
}
