"""Peers in a process that starts anew for every measurement: import, load, predict, as a user's script."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np

import tinytensor as tt
from benchmarks.case import Case, Effort, Failed
from benchmarks.networks import CHAPTER, inputs, largest_error, model
from benchmarks.workers import Worker, crash, environment

__all__ = ["SCRIPTS", "Fresh", "install_size"]

SCRIPTS = {  # what is imported; how the model is loaded and used
    "tinytensor": ("import tinytensor as tt", "y = tt.load(f'{folder}/model.safetensors').predict(x)"),
    "NumPy": (
        "import numpy",
        """
w1, b1, w2, b2, w3, b3 = np.load(f"{folder}/model.npz").values()
a = 1 / (1 + np.exp(-(x @ w1.T + b1)))
a = 1 / (1 + np.exp(-(a @ w2.T + b2)))
e = np.exp(a @ w3.T + b3)
y = e / e.sum(axis=1, keepdims=True)""",
    ),
    "ONNX Runtime": (
        "import onnxruntime",
        "y = onnxruntime.InferenceSession(f'{folder}/model.onnx').run(None, {'x': x})[0]",
    ),
    "OpenVINO": (
        "import openvino",
        """
settings = {"INFERENCE_PRECISION_HINT": "f32"}
y = openvino.Core().compile_model(f"{folder}/model.onnx", "CPU", settings)(x)[0]""",
    ),
    "PyTorch": (
        "import torch",
        """
from torch.nn import Linear, Sequential, Sigmoid, Softmax
model = Sequential(Linear(784, 50), Sigmoid(), Linear(50, 100), Sigmoid(), Linear(100, 10), Softmax(1))
model.load_state_dict(torch.load(f"{folder}/model.pt"))
with torch.inference_mode():
    y = model(torch.from_numpy(x)).numpy()""",
    ),
    "JAX": (
        "import jax",
        """
layers = list(np.load(f"{folder}/model.npz").values())
@jax.jit
def predict(layers, x):
    w1, b1, w2, b2, w3, b3 = layers
    x = jax.nn.sigmoid(x @ w1.T + b1)
    x = jax.nn.sigmoid(x @ w2.T + b2)
    return jax.nn.softmax(x @ w3.T + b3)
y = np.asarray(predict(layers, x))""",
    ),
    "scikit-learn": (
        "import sklearn.neural_network",
        "import pickle\ny = pickle.load(open(f'{folder}/model.pickle', 'rb')).predict_proba(x)",
    ),
}
FRAME = """
import sys
folder = sys.argv[1]
{imports}
{body}
print("ready", flush=True)
{after}
"""
BODY = "import numpy as np\nx = np.load(f'{folder}/x.npy')\n"
AFTER = """
np.save(f"{folder}/y.npy", y)
try:
    status = open("/proc/self/status").read()
    print(1024 * int(status.partition("VmHWM:")[2].split()[0]))
except (OSError, IndexError):
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def write_model(peer: str, folder: str) -> None:
    """In a worker: the chapter's network as the peer's users keep it."""
    made = model(CHAPTER, raw=False)
    arrays = {name.replace(".", "_"): value for name, value in made.state_dict().items()}
    if peer == "tinytensor":
        made.save(f"{folder}/model.safetensors")
    elif peer in ("NumPy", "JAX"):
        np.savez(f"{folder}/model.npz", **arrays)
    elif peer in ("ONNX Runtime", "OpenVINO"):
        proto = tt.to_onnx(made)
        proto.graph.input[0].name = "x"
        for node in proto.graph.node:
            node.input[:] = ["x" if name == "input" else name for name in node.input]
        Path(folder, "model.onnx").write_bytes(proto.SerializeToString())
    elif peer == "PyTorch":
        import torch

        torch.save({k: torch.tensor(v) for k, v in made.state_dict().items()}, f"{folder}/model.pt")
    else:
        import pickle

        from benchmarks.peers import sklearn_model

        Path(folder, "model.pickle").write_bytes(pickle.dumps(sklearn_model(CHAPTER)))


class Fresh:
    """A subject that is a new process each round; `what` it does is among the case's settings."""

    def __init__(self, peer: Any, case: Case):
        self.peer = peer
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.written = False

    def prepare(self, case: Case, effort: Effort) -> dict[str, float]:
        """The files, and a first run that fills the system's caches and whose answer is checked."""
        self.case = case
        if case.settings["what"] == "install":
            return {}
        if case.settings["what"] == "import":
            self._process(effort.prepare_limit)
            return {}
        x = inputs("digits", case.settings["rows"])
        np.save(f"{self.folder.name}/x.npy", x)
        if not self.written:
            writer = Worker(None, 1, [])
            try:
                writer.ask(effort.prepare_limit, write_model, self.peer.name, self.folder.name)
                self.written = True
            finally:
                writer.close()
        self._process(effort.prepare_limit)
        try:
            error = largest_error(CHAPTER, x, np.load(f"{self.folder.name}/y.npy"))
        except ArithmeticError as wrong:
            raise Failed(str(wrong)) from None
        return {"error": error, "rows": len(x)}

    def measure(self, effort: Effort) -> dict[str, float]:
        """Seconds until it was ready, or bytes."""
        if self.case.settings["what"] == "install":
            return {"value": install_size(self.peer)}
        took, printed = self._process(effort.prepare_limit)
        return {"value": took if self.case.unit == "s" else float(printed)}

    def close(self) -> None:
        self.folder.cleanup()

    def _process(self, limit: float) -> tuple[float, str]:
        """Run the script; the seconds until it said that it was ready, and what it printed after that."""
        imports, work = SCRIPTS[self.peer.name]
        alone = self.case.settings["what"] == "import"
        script = FRAME.format(
            imports=imports, body="" if alone else BODY + work, after="" if alone else AFTER
        )
        environ = environment(1)
        with contextlib.ExitStack() as stack:
            if self.case.settings.get("empty_cache"):
                environ["TINYTENSOR_CACHE"] = stack.enter_context(tempfile.TemporaryDirectory())
            errors = stack.enter_context(tempfile.TemporaryFile())
            begin = time.perf_counter()
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", script, self.folder.name],
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
            )
            timer = threading.Timer(limit, process.kill)
            stack.callback(timer.cancel)
            timer.start()
            ready = process.stdout.readline()
            took = time.perf_counter() - begin
            printed = process.stdout.read()
            if process.wait() or ready != "ready\n":
                errors.seek(0)
                said = [line.strip() for line in errors.read().decode(errors="replace").split("\n")]
                late = took >= limit or time.perf_counter() - begin >= limit
                last = next((line for line in reversed(said) if line), "")
                raise Failed(f"hung: no answer in {limit:.0f} s" if late else crash(process.returncode, last))
        return took, printed


def install_size(peer: Any) -> float:
    """Bytes of the package and of all that it needs, as installed here; shared ones count in full."""
    seen: set[str] = set()
    total, waiting = 0, [peer.distribution]
    if peer.name == "tinytensor":  # a checkout need not be installed
        folder = Path(tt.__file__).parent
        total += sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc")
        waiting, seen = ["numpy", "numba", "safetensors"], {"tinytensor-nn"}
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        with contextlib.suppress(PackageNotFoundError):
            found = distribution(name)
            for file in found.files or []:
                with contextlib.suppress(OSError):
                    total += os.stat(str(file.locate())).st_size * (file.suffix != ".pyc")
            wanted = [each for each in found.requires or [] if "extra ==" not in each]
            waiting += [matched[0] for each in wanted if (matched := re.match(r"[\w.-]+", each))]
    return float(total)
