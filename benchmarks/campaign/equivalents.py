"""Mutants that survive because they change nothing that is promised: by module and change, and why."""

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, dict[str, str]] = {
    "io/archive.py": {
        "if whence == io.SEEK_SET and offset < 0: → if whence <= io.SEEK_SET and offset < 0:": (
            "SEEK_SET is 0, the least value of `whence`"
        ),
    },
    "io/atomic.py": {
        'temporary = target.with_name(f".tinytensor-{secrets.token_hex(8)}.tmp")'
        ' → temporary = target.with_name(f".tinytensor-{secrets.token_hex( 7)}.tmp")': (
            "56 random bits of a name are as good as 64: a name that exists is refused by the mode x"
        ),
        'if path.is_dir() and os.name != "posix": → if not path.is_dir() and os.name != "posix":': (
            "the second condition is false on every system that the tests run on"
        ),
    },
}
