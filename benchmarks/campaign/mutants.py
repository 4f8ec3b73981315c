"""Mutation testing by cosmic-ray: `python -m benchmarks.campaign.mutants --out DIR [MODULE …] [--most N]`.

Of each module at most N mutants, drawn at random, are made one after the other in a copy of the tree, and
the tests of that module run until the first fails. Without modules, all of `TESTS` are tried; compiled
kernels are left to the planted faults (`benchmarks.campaign.faults`). Survivors are listed as differences.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.campaign.faults import copied
from benchmarks.campaign.outcome import table

TESTS = {  # of each module of tinytensor/ but kernels and what is data
    "threads.py": "tests/test_threads.py tests/test_workers.py",
    "workers.py": "tests/test_workers.py",
    "cache.py": "tests/test_cache.py",
    "creation.py": "tests/test_creation.py",
    "tensor.py": "tests/test_tensor.py",
    "mapping.py": "tests/test_mapping.py",
    "shaping.py": "tests/test_shaping.py",
    "reductions.py": "tests/test_reductions.py",
    "functions.py": "tests/test_functions.py",
    "initializers.py": "tests/test_initializers.py",
    "images.py": "tests/test_images.py",
    "padding.py": "tests/test_images.py",
    "pooling.py": "tests/test_images.py",
    "upsampling.py": "tests/test_images.py",
    "windows.py": "tests/test_images.py",
    "numpy_protocol.py": "tests/test_numpy_protocol.py",
    "notebook.py": "tests/test_notebook.py",
    "files.py": "tests/io/test_formats.py tests/io/test_malformed.py",
    "text.py": "tests/test_summary.py",
    "inference/buffers.py": "tests/inference/test_buffers.py",
    "inference/plan.py": "tests/test_plan.py tests/test_stale.py",
    "inference/lowering.py": "tests/test_lowering.py tests/test_trace.py tests/test_image_nets.py",
    "inference/emitter.py": "tests/test_lowering.py tests/test_trace.py tests/test_image_nets.py",
    "inference/program.py": "tests/test_plan.py tests/test_lowering.py",
    "inference/predict.py": "tests/test_predict.py",
    "inference/profile.py": "tests/test_profile.py",
    "inference/summary.py": "tests/test_summary.py",
    "inference/explain.py": "tests/test_explain.py",
    "inference/trace.py": "tests/test_trace.py",
    "inference/watch.py": "tests/test_trace.py tests/test_stale.py tests/test_watch.py",
    "layers/sequential.py": "tests/test_sequential.py",
    "layers/graph.py": "tests/test_graph.py",
    "layers/linear.py": "tests/test_linear.py",
    "layers/state_dict.py": "tests/test_state_dict.py",
    "layers/attributes.py": "tests/test_layer.py tests/test_members.py",
    "io/safetensors.py": "tests/io/test_safetensors.py tests/io/test_native.py",
    "io/native.py": "tests/io/test_native.py",
    "io/npz.py": "tests/io/test_npz.py",
    "io/archive.py": "tests/io/test_archive.py tests/io/test_npz.py",
    "io/atomic.py": "tests/io/test_atomic.py",
    "io/pt.py": "tests/io/test_pt.py",
    "io/pickles.py": "tests/io/test_pt.py tests/io/test_book.py",
    "io/keras.py": "tests/io/test_keras.py",
    "io/hdf5.py": "tests/io/test_keras_h5.py",
    "datasets/idx.py": "tests/datasets/test_idx.py",
    "datasets/download.py": "tests/datasets/test_download.py",
}
CONFIG = """[cosmic-ray]
module-path = "tinytensor/{module}"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:cacheprovider {tests}"

[cosmic-ray.distributor]
name = "local"
"""


def cosmic_ray(folder: Path, *arguments: str) -> None:
    """Run its command there."""
    command = [sys.executable, "-m", "cosmic_ray.cli", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def tried(module: str, most: int) -> dict[str, Any]:
    """How many mutants of a module its tests catch, and the differences of those that survive."""
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        folder = Path(name)
        copied(folder)
        config = CONFIG.format(module=module, python=sys.executable, tests=TESTS[module])
        (folder / "config.toml").write_text(config)
        for step in (["baseline", "config.toml"], ["init", "config.toml", "session"]):
            cosmic_ray(folder, *step)
        with use_db(folder / "session", WorkDB.Mode.open) as database:
            jobs = sorted(item.job_id for item in database.pending_work_items)
            items = {item.job_id: repr(item.mutations) for item in database.pending_work_items}
            random.Random(module).shuffle(jobs := sorted(jobs, key=items.__getitem__))
            for job in jobs[most:]:
                database.set_result(job, WorkResult(WorkerOutcome.SKIPPED))
        cosmic_ray(folder, "exec", "config.toml", "session")
        with use_db(folder / "session", WorkDB.Mode.open) as database:
            results = [each for _, each in database.results if each.worker_outcome is WorkerOutcome.NORMAL]
    survived = [each.diff for each in results if each.test_outcome is TestOutcome.SURVIVED]
    caught = len(results) - len(survived)
    return {"mutants": len(jobs), "tried": len(results), "caught": caught, "survived": survived}


def report(found: dict[str, dict[str, Any]]) -> str:
    """Markdown: counts for each module, then the survivors."""
    rows = [
        [f"`{name}`", *(str(each[key]) for key in ("mutants", "tried", "caught"))]
        for name, each in found.items()
    ]
    total = [str(sum(each[key] for each in found.values())) for key in ("mutants", "tried", "caught")]
    lines = ["# Mutants", "", "`python -m benchmarks.campaign.mutants`", ""]
    lines += [*table(["module", "mutants", "tried", "caught"], [*rows, ["**all**", *total]]), ""]
    for name, each in found.items():
        for diff in each["survived"]:
            lines += [f"## Survivor in `{name}`", "", "```diff", diff.strip(), "```", ""]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Try modules; the exit status is 0, as survivors may change nothing that is promised."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.campaign.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--most", type=int, default=20, help="mutants of a module")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    if unknown := [each for each in given.modules if each not in TESTS]:
        parser.error(f"no module {', '.join(unknown)}; there are {', '.join(TESTS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    kept = given.out / "mutants.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for module in given.modules or TESTS:
        found[module] = tried(module, given.most)
        kept.write_text(json.dumps(found, indent=1) + "\n")
        (given.out / "mutants.md").write_text(report(found), encoding="utf-8")
        print(f"{module}: {found[module]['caught']} of {found[module]['tried']} caught", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
