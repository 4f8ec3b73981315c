"""What the CPU offers, and that results do not depend on it."""

import os
import subprocess
import sys
from hashlib import sha256

import numpy as np
import pytest
from numba import float32
from numba.types import void

import tinytensor as tt
from tests.compiled import array, compiled, out
from tinytensor.kernels import cpu, reduce, scalar
from tinytensor.kernels.convolution import convolve
from tinytensor.kernels.cpu import Vectors
from tinytensor.kernels.matmul import matmul
from tinytensor.kernels.pooling import pool
from tinytensor.kernels.softmax import softmax
from tinytensor.primitives import quantized

AVX512_FEATURES = "+avx512f,+avx512vl,+avx512dq,+avx512bw,+avx2,+fma"


@pytest.fixture
def fresh():
    caches = (cpu.features, cpu.vectors, cpu.dot)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (AVX512_FEATURES, Vectors("AVX-512", 64, 32)),
        (AVX512_FEATURES.replace("+avx512vl", "-avx512vl"), Vectors("AVX2", 32, 16)),
        ("+avx2,+fma", Vectors("AVX2", 32, 16)),
        ("+avx2,-fma", Vectors("128-bit", 16, 16)),
        ("+neon,+sve", Vectors("NEON", 16, 32)),
        ("", Vectors("128-bit", 16, 16)),
        ("+sse2,", Vectors("128-bit", 16, 16)),
    ],
)
def test_vectors_follow_from_what_numba_compiles_for(fresh, monkeypatch, features, expected):
    monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
    assert cpu.vectors() == expected


def test_by_default_this_cpus_features_less_what_numba_is_told_to_leave_out(fresh, monkeypatch):
    monkeypatch.delenv("NUMBA_CPU_FEATURES", raising=False)
    monkeypatch.setenv("NUMBA_ENABLE_AVX", "0")
    assert not any(feature.startswith("avx") for feature in cpu.features())
    assert cpu.vectors().bytes == 16


def products():
    """Bytes of products of all kinds."""
    rng = np.random.default_rng(0)
    for m, k, n in ((1, 20, 70), (7, 33, 9), (40, 521, 35), (20, 3, 1), (85, 45, 1), (33, 20, 140)):
        a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
        yield matmul(a, b).tobytes()
        yield matmul(b.T, a.T).tobytes()


def all_functions(x, y):
    for i in range(x.size):
        y[0, i], y[1, i], y[2, i] = scalar.exp(x[i]), scalar.expm1(x[i]), scalar.log(x[i])
        y[3, i], y[4, i], y[5, i] = scalar.log1p(x[i]), scalar.tanh(x[i]), scalar.erf(x[i])


def scalar_results():
    """Bytes of every scalar function of ordinary and extreme numbers."""
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 88.7, -103.9, 3e38, 1.0, -1.0]
    normal = np.random.default_rng(0).standard_normal(1000)
    x = np.concatenate([edges, normal[:500], 30 * normal[500:]]).astype(np.float32)
    y = np.empty((6, x.size), np.float32)
    compiled(all_functions, void(array(float32, 1), out(float32, 2)))(x, y)
    yield np.where(np.isnan(y), np.float32(np.nan), y).tobytes()  # a NaN's sign is nobody's business


def sums_and_softmax():
    """Bytes of what adds along rows and columns, short and long."""
    x = np.random.default_rng(0).standard_normal((20, 300)).astype(np.float32)
    for each in (x, x.T):
        for axis in (0, 1):
            yield reduce.sum(each, axis, False).tobytes()
            yield softmax(each, axis).tobytes()


def networks():
    """Bytes of a network's outputs, for few samples and many, with zeros and without."""
    model = tt.Sequential(
        tt.Linear(70, 37, seed=0), tt.sigmoid, tt.Linear(37, 45, seed=1), tt.relu, tt.Linear(45, 10, seed=2),
        tt.softmax,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for zeros in (0.0, 0.8):
        x = rng.standard_normal((100, 70), np.float32) * (rng.random((100, 70)) >= zeros)
        for n in (1, 7, 100):
            yield model.predict(x[:n]).tobytes()


def images():
    """Bytes of convolutions and pooled images."""
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((3, 6, 9, 8), np.float32), rng.standard_normal((20, 6, 3, 3), np.float32)
    padding = ((1, 1), (1, 0))
    for last in (False, True):
        batch = np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if last else x
        yield convolve(batch, weight, None, (1, 1), padding, channels_last=last).tobytes()
        for outputs in (6, 12):
            depthwise = weight[:outputs, :1], None, (2, 1), padding, (1, 1), 6
            yield convolve(batch, *depthwise, channels_last=last).tobytes()
        for kind in ("max", "average"):
            yield pool(batch, kind, (3, 2), (2, 2), padding, channels_last=last).tobytes()
    # maxima in the tiles of a convolution
    for outputs in (5, 8, 30, 64):
        model = tt.Sequential(tt.Conv2d(6, outputs, 3, seed=0), tt.relu, tt.MaxPool2d(2))
        yield model.predict(x).tobytes()
    # sums of more taps than have their weights in L1 at once
    x, weight = (
        rng.standard_normal((2, 64, 8, 9), np.float32),
        rng.standard_normal((64, 64, 3, 3), np.float32),
    )
    yield convolve(x, weight, None, (1, 1), padding).tobytes()


def of_bytes():
    """Bytes of quantised products, convolutions, lookups and sums."""
    rng = np.random.default_rng(0)

    def how(outputs, inputs, output):
        bias = rng.integers(-1000, 1000, outputs).astype(np.int32)
        multiplier = (rng.random(outputs) / 80 / np.sqrt(inputs)).astype(np.float32)
        return {"zero_point": 3, "output": output}, bias, multiplier

    for rows, inputs, outputs in ((1, 7, 5), (9, 70, 50), (40, 64, 100)):
        x = rng.integers(0, 256, (rows, inputs)).astype(np.uint8)
        weight = rng.integers(-128, 128, (outputs, inputs)).astype(np.int8)
        for output in (None, quantized.Output(5)):
            parameters, *scales = how(outputs, inputs, output)
            yield quantized.quantized_linear(x, weight, *scales, **parameters).tobytes()
    for groups, channels, outputs in ((1, 3, 20), (8, 8, 8), (2, 8, 6)):
        x = rng.integers(0, 256, (2, 6, 7, channels)).astype(np.uint8)
        weight = rng.integers(-128, 128, (outputs, channels // groups, 3, 3)).astype(np.int8)
        parameters, *scales = how(outputs, 9 * channels // groups, quantized.Output(5))
        parameters |= {"stride": (2, 1), "padding": ((1, 1), (0, 1)), "groups": groups, "channels_last": True}
        yield quantized.quantized_convolution(x, weight, *scales, **parameters).tobytes()
    window = {"size": (3, 2), "stride": (1, 2), "channels_last": True}
    yield quantized.quantized_average(
        x, zero_point=3, multiplier=0.7, output=quantized.Output(1), **window
    ).tobytes()
    yield pool(x, "max", **window).tobytes()


def digest(results):
    return sha256(b"".join(results)).hexdigest()


PROGRAM = """
import sys
from tinytensor.kernels import cpu
if sys.argv[1:]:
    vectors = cpu.Vectors(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    cpu.vectors = lambda: vectors
from tests.kernels import test_cpu as results
tiles = (results.products, results.networks, results.images, results.of_bytes)
others = () if sys.argv[1:] else (results.scalar_results, results.sums_and_softmax)
print(cpu.vectors().name, *(results.digest(each()) for each in (*tiles, *others)))
"""

AVX2 = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse4.2"}
AVX512 = {"NUMBA_CPU_NAME": "skylake-avx512", "NUMBA_CPU_FEATURES": f"+avx,+sse4.2,{AVX512_FEATURES}"}
AVX_VNNI = {"NUMBA_CPU_NAME": "alderlake", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+sse4.2,+avxvnni"}
NO_FMA = {**AVX2, "NUMBA_CPU_FEATURES": "+avx,+avx2,-fma,+sse4.2"}
CASES = {
    # what the CPU needs, the environment, and for which CPU the tiles are if not for this one
    "AVX2": ({"avx2", "fma"}, AVX2, None),
    "AVX-512": ({"avx512f", "avx512vl", "avx512dq", "avx512bw"}, AVX512, None),
    "AVX-VNNI": ({"avx2", "fma", "avxvnni"}, AVX_VNNI, None),
    "no FMA": ({"avx2"}, NO_FMA, None),
    "generic": (set(), {"NUMBA_CPU_NAME": "generic"}, None),
    # in instructions that this CPU has
    "tiles of AVX-512": (set(), {}, Vectors("AVX-512", 64, 32)),
    "tiles of NEON": (set(), {}, Vectors("NEON", 16, 32)),
}


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """One process for each case that this CPU can run, all at once: most of their time is compilation."""
    started = {}
    for name, (needed, environment, tiles) in CASES.items():
        if needed <= cpu.features():
            # a file in the kernel cache is named for the CPU, not for tiles of another
            own = {"TINYTENSOR_CACHE": str(tmp_path_factory.mktemp("cache"))} if tiles else {}
            started[name] = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *map(str, tiles or ())],
                env=os.environ | environment | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def expected(processes):
    return [
        digest(products()),
        digest(networks()),
        digest(images()),
        digest(of_bytes()),
        digest(scalar_results()),
        digest(sums_and_softmax()),
    ]


@pytest.mark.parametrize("name", CASES)
def test_other_cpus_give_the_same_bits(name, processes, expected):
    if name not in processes:
        pytest.skip(f"this CPU has no {', '.join(sorted(CASES[name][0] - cpu.features()))}")
    output, errors = processes[name].communicate()
    assert processes[name].returncode == 0, errors
    used, *found = output.split()
    assert used == {"no FMA": "128-bit", "generic": "128-bit", "AVX-VNNI": "AVX2"}.get(
        name, name.removeprefix("tiles of ")
    )
    assert found == (expected[:4] if name.startswith("tiles") else expected)
