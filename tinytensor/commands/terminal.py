"""What every command owes to a terminal: text that it can show, errors in one line, a quiet end."""

import _thread
import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

from tinytensor.errors import TinyTensorError
from tinytensor.text import escaped

__all__ = ["MISTAKE", "ascii_for", "exit_status", "mistake"]

MISTAKE, INTERRUPTED, PIPE_CLOSED = 2, 130, 141  # as shells count: 128 + the signal's number

IN_ASCII = {
    **dict(zip("─×µ·░▒▓█", "-xu..:*#", strict=True)), "→": "->", "…": "...",
}  # fmt: skip


def ascii_for(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that a stream cannot encode, as an error handler of `codecs`.

    >>> codecs.register_error("tinytensor", ascii_for)
    >>> "10 µs → ö".encode("ascii", "tinytensor")
    b'10 us -> \\\\xf6'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    shown = (IN_ASCII.get(each) or each.encode("ascii", "backslashreplace").decode() for each in text)
    return "".join(shown), error.end


@contextlib.contextmanager
def streams_that_take_everything() -> Iterator[None]:
    """A closed stdout or stderr takes text as /dev/null does; no character is an error."""
    codecs.register_error("tinytensor", ascii_for)
    with contextlib.ExitStack() as afterwards:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is None:
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # to the end
            elif hasattr(stream, "reconfigure"):
                afterwards.callback(stream.reconfigure, errors=stream.errors)
                stream.reconfigure(errors="tinytensor")
        yield


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends the program even while LLVM compiles, which for a first run is most of the time.

    LLVM calls back into Python, where a KeyboardInterrupt is reported and forgotten; it is sent once more.
    Numba may fail before that for what the callback did not do.
    """
    again: list[threading.Timer] = []

    def report(forgotten: "sys.UnraisableHookArgs") -> None:
        if forgotten.exc_type is KeyboardInterrupt:
            again.append(threading.Timer(0.1, _thread.interrupt_main))
            again[-1].start()
        else:
            before(forgotten)

    before, sys.unraisablehook = sys.unraisablehook, report
    try:
        yield
    except Exception as error:
        if again:
            raise KeyboardInterrupt from error
        raise
    finally:
        sys.unraisablehook = before
        for each in again:
            each.cancel()


def exit_status(prog: str, call: Callable[[], int | None]) -> int:
    """What a call returns, None being 0.

    What the user can have caused is one line on stderr and status 2, never a traceback. Ctrl-C and a closed
    pipe end quietly.
    """
    with streams_that_take_everything():
        try:
            try:
                with interruptible():
                    return call() or 0
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes stdout once more at exit, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        except KeyboardInterrupt:
            return INTERRUPTED
        except TinyTensorError as error:
            return mistake(prog, str(error))
        except OSError as error:
            named = error.filename is not None and error.strerror
            return mistake(prog, f"{error.filename or repr('')}: {error.strerror}" if named else str(error))


def mistake(prog: str, message: str, keep: str = "\n") -> int:
    """Say what is wrong; the lines of a message stay lines."""
    print(f"{prog}:", escaped(message, keep), file=sys.stderr)
    return MISTAKE
