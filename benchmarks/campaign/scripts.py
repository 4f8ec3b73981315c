"""Scripts in processes of their own, which answer in JSON on their last line."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from benchmarks.campaign.outcome import Count

__all__ = ["ROOT", "answer", "counted"]

ROOT = Path(__file__).parents[2]
SECONDS = 1200  # that a script may take; the longest take a minute on an idle core


def answer(
    script: str, *arguments: str, python: Any = (sys.executable,), **environment: str
) -> dict[str, Any]:
    """What the script says, and `stderr`; of one that fails `failed`: why."""
    kept = {name: value for name, value in os.environ.items() if name not in environment}
    given = {name: value for name, value in environment.items() if value}  # an empty one is left out
    command = [*python, "-W", "ignore", "-c", textwrap.dedent(script), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=kept | given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its children too, which hold the pipes
        return {"failed": f"no end within {SECONDS} s: {process.communicate()[1][-200:]}", "stderr": ""}
    if process.returncode:
        return {"failed": f"status {process.returncode}: {errors[-250:]}", "stderr": errors}
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found | {"stderr": errors}


def counted(count: Count, found: dict[str, Any]) -> None:
    """Add what a script counted as right and wrong."""
    if "failed" in found:
        count.add(False, found["failed"])
        return
    count.right += found["right"]
    count.wrong += found["wrong"]
    if found["wrong"] and not count.note:
        count.note = str(found.get("note", ""))[:300]
