"""Show what was found on this machine, and test that it works.

CPU, tile shapes, cache, threads, versions; then a network through every path, and the speed of one thread.
"""

import json
import os
import platform

import numpy as np

from tinytensor.commands.arguments import command_of, json_option
from tinytensor.commands.tables import on_a_terminal, show_table
from tinytensor.errors import TinyTensorError

__all__ = ["command"]


PASSED = "passed: the same bits on every path, within the bound of float64's answer"


@command_of("doctor", __doc__)
@json_option
def command(as_json: bool) -> None:
    """Print the report; a failed self-test is an error."""
    found = machine() | cache() | speed()
    if not as_json and not on_a_terminal():  # before the self-test, which may fail
        print("\n".join(f"{name:<14}{value}" for name, value in found.items()))
    self_test()
    found["self-test"] = PASSED
    if as_json:
        print(json.dumps(found))
    elif on_a_terminal():
        show_table([("what", "found"), *found.items()], texts=2)
    else:
        print(f"{'self-test':<14}{PASSED}")


def machine() -> dict[str, str]:
    """What is known without running anything."""
    import llvmlite
    import numba

    import tinytensor as tt
    from tinytensor.kernels.cpu import dot, features, vectors
    from tinytensor.kernels.layer import layout
    from tinytensor.kernels.matrix_unit import has_matrix_unit
    from tinytensor.threads import VARIABLE, available_cpus

    found = vectors()
    shown = [name for name in ("avx512f", "avx2", "fma", "neon", "sve") if name in features()]
    tile = layout(np.dtype(np.float32), 4 * found.width(4))
    return {
        "tinytensor": tt.__version__,
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "libraries": f"NumPy {np.__version__}, Numba {numba.__version__}, llvmlite {llvmlite.__version__}",
        "CPU": f"{found.name}: {found.registers} registers of {found.bytes} bytes ({', '.join(shown)})",
        "tiles": f"{tile.rows} samples × {tile.page_outputs} outputs of a wide layer in float32",
        "bytes": f"{dot().name}{' and the matrix unit (AMX)' * has_matrix_unit()} for quantised layers",
        "threads": f"{tt.get_num_threads()} of {available_cpus()} CPUs; tt.set_num_threads or ${VARIABLE}",
    }


def cache() -> dict[str, str]:
    """Where compiled kernels are kept, and how many are there."""
    from tinytensor.kernels.cache import kernel_folder, unusable

    folder, reason = kernel_folder(), unusable()
    if reason:
        return {"cache": f"unused: {reason}"}
    return {"cache": f"{len(os.listdir(folder))} compiled kernels in {folder}"}


def speed() -> dict[str, str]:
    """The tile against what the CPU can do."""
    from tinytensor.kernels.peak import measure

    peak, tile = measure()
    return {"speed": f"{tile:.0f} of {peak:.0f} GFLOP/s, {tile / peak:.0%} of this CPU's peak on one thread"}


def self_test() -> None:
    """A network by the driver and layer by layer, with zeros and without, on one thread and on two.

    Raises:
        TinyTensorError: an answer differs.
    """
    import tinytensor as tt

    model = tt.Sequential(
        tt.Linear(300, 50, seed=0), tt.sigmoid, tt.Linear(50, 30, seed=1), tt.relu, tt.Linear(30, 10, seed=2),
        tt.softmax,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for zeros in (0.0, 0.8):
        x = rng.standard_normal((3000, 300), np.float32) * (rng.random((3000, 300)) >= zeros)
        expected = model(tt.Tensor(x), fused=False).numpy()
        for threads in (1, 2):
            refuse("fused", np.array_equal(model.predict(x, threads=threads), expected))
        refuse("five of the samples", np.array_equal(model.predict(x[:5]), expected[:5]))
        refuse("float64", np.abs(expected - model.predict(x.astype(np.float64))).max() < 1e-5)


def refuse(path: str, agrees: bool) -> None:
    """Raise unless two paths agree."""
    if not agrees:
        raise TinyTensorError(f"self-test: {path} and layer by layer differ; please report it")
