"""What the figures depend on: the machine, its state, and the versions of everything."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["blas", "commit", "machine", "packages", "usable_cores"]

ROOT = Path(__file__).parent.parent
FEATURES = ("fma", "avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")
PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "threadpoolctl", "onnx")


def read(path: str) -> str:
    """A file of the system, if it has it."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def machine() -> dict[str, Any]:
    """Whose figures these are."""
    info = dict(
        (part.strip() for part in line.split(":", 1))
        for line in read("/proc/cpuinfo").splitlines()
        if ":" in line
    )
    flags = set(info.get("flags", info.get("Features", "")).split())
    return {
        "cpu": cpu(info),
        "features": [name for name in FEATURES if name in flags],
        "virtual": "hypervisor" in flags,
        "cores": os.cpu_count(),
        "cores_usable": usable_cores(),
        "caches": caches(),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "unknown",
        "memory_gb": memory(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        "system": platform.platform(),
        "python": platform.python_version(),
        "compiler": platform.python_compiler(),
    }


def cpu(info: dict[str, str]) -> str:
    """The name, and, as hypervisors hide it, vendor, family, model and stepping where the system tells."""
    name = info.get("model name") or platform.processor() or platform.machine()
    known = [f"{key} {info[key]}" for key in ("vendor_id", "cpu family", "model", "stepping") if key in info]
    return f"{name} ({', '.join(known)})" if known else name


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def caches() -> dict[str, str]:
    """The first core's caches by level and kind."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (read(str(folder / name)) for name in ("level", "type", "size"))
        found[f"L{level} {kind}".strip()] = size
    return found


def memory() -> float | None:
    """Gigabytes of memory, where the system tells."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


def packages() -> dict[str, str]:
    """Versions of what the measurement itself stands on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def blas() -> str:
    """The libraries of linear algebra in this process, with the kernel that each chose for this CPU."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown (pip install threadpoolctl)"
    found = {
        f"{pool['internal_api']} {pool['version']}, kernel {pool.get('architecture', 'unknown')}"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    return " and ".join(sorted(found))


def commit() -> str:
    """The checkout's commit, with + if it was changed since."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True)
    except OSError:
        return "unknown"
    return (
        head.stdout.strip() + ("+" if changed.stdout.strip() else "") if head.returncode == 0 else "unknown"
    )
