"""Workers: a process for each peer, with its threads counted and its cores pinned, that may crash or hang.

A worker runs only while it answers. The threads of OpenMP, TBB and others spin for a while after their work
is done and would take a core from the peer that is measured next, so the other workers are stopped (SIGSTOP).
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import timing
from benchmarks.case import Case, Effort, Failed

__all__ = ["Worker", "cores", "environment"]

ROOT = Path(__file__).parent.parent
THREADS = ("OPENBLAS", "OMP", "MKL", "VECLIB", "NUMBA", "TINYTENSOR")
# The first three force older kernels on NumPy and its BLAS; some images set them.
# The last makes every import compile again what an installed package has on disk.
HANDICAPS = (
    "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "NPY_DISABLE_CPU_FEATURES", "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip


def cores(count: int) -> list[int]:
    """The last cores that this process may run on, as the first serves most interrupts; none where the
    system does not pin."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[-count:]


def environment(threads: int) -> dict[str, str]:
    """This process's environment with that many threads for everybody and nothing that ties their hands."""
    kept = {name: value for name, value in os.environ.items() if name not in HANDICAPS}
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    counts = {f"{library}_NUM_THREADS": str(threads) for library in THREADS}
    return kept | counts | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


class Worker:
    """A process that runs functions; it is started when first needed, and again after it was lost."""

    def __init__(self, peer: Any, threads: int, cores: list[int]):
        self.peer, self.threads, self.cores = peer, threads, cores
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self, case: Case, effort: Effort) -> dict[str, float]:
        return self.ask(effort.prepare_limit, timing.prepare, self.peer, case, effort.at_least)

    def measure(self, effort: Effort) -> dict[str, float]:
        return self.ask(effort.measure_limit, timing.measure, effort.at_least)

    def ask(self, limit: float, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)` there.

        Raises:
            Failed: it raised, the process died, or no answer came within `limit` seconds.
        """
        if self.process is None:
            self._start()
        assert self.process is not None
        self._signal("SIGCONT")
        late = threading.Event()

        def stop(process: subprocess.Popen[bytes] = self.process) -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            pickle.dump((function, arguments), self.process.stdin)
            self.process.stdin.flush()
            well, answer = pickle.load(self.process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            status = self.process.wait()
            reason = (
                f"hung: no answer in {limit:.0f} s" if late.is_set() else crash(status, self._last_words())
            )
            self.close()
            raise Failed(reason, lost=True) from None
        finally:
            timer.cancel()
            self._signal("SIGSTOP")
        if not well:
            raise Failed(answer)
        return answer

    def close(self) -> None:
        """End the process."""
        if self.process is None:
            return
        self._signal("SIGCONT")
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        self.process = None

    def _start(self) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.child", ",".join(map(str, self.cores))],
            env=environment(self.threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )

    def _signal(self, name: str) -> None:
        """Stop or continue the process; only on Linux, where a stopped one ends with its parent."""
        if sys.platform == "linux" and self.process is not None:
            self.process.send_signal(getattr(signal, name))

    def _last_words(self) -> str:
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def crash(status: int, last_words: str) -> str:
    """How a process died, in words."""
    how = f"exit status {status}"
    if status < 0:
        with contextlib.suppress(ValueError):
            how = signal.Signals(-status).name
    return f"crashed: {how}" + (f": {last_words[:200]}" if last_words else "")
