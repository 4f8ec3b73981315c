"""A bounded form of `python -m tests.io.fuzz`, and that it would notice."""

import json
import os
import random
import signal
import subprocess
import sys

import pytest

import tinytensor as tt
from tests.io import fuzz

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are those of Linux")


@linux
def test_five_thousand_files_with_random_damage():
    command = [sys.executable, "-m", "tests.io.fuzz", "--count", "5000", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr[-2000:])
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["files"] == 5000
    assert 0 < found["loaded"] < 5000
    assert found["grown"] <= 64 << 20


FAULTY = """
import os, pathlib, types
from tests.io import fuzz

calls = []

def faulty(path):
    calls.append(path)
    if len(calls) > 5:
        {statement}

fuzz.originals = lambda folder: {{"idx": b"content"}}
fuzz.LOADERS["idx"] = faulty
fuzz.SECONDS = 0.2
found = types.SimpleNamespace(index=0, loaded=0, wrong=0, grown=0, longest=0.0)
fuzz.work(0, 20, 1, found, pathlib.Path({folder!r}))
print(found.wrong)
"""


@linux
@pytest.mark.parametrize(
    ("statement", "status", "said"),
    [
        ("raise KeyError('x')", 0, "KeyError"), ("bytearray(1 << 30)", 0, "MemoryError"),
        ("while True: pass", -signal.SIGPROF, "in faulty"), ("os.abort()", -6, ""),
    ],
)  # fmt: skip
def test_what_a_faulty_reader_does_is_noticed(tmp_path, statement, status, said):
    code = FAULTY.format(statement=statement, folder=str(tmp_path))
    environment = os.environ | fuzz.hostile.ONE_THREAD
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == status, done.stderr[-2000:]
    assert said in done.stdout + done.stderr
    assert status or int(done.stdout.splitlines()[-1]) == 16


def test_a_file_is_the_same_every_time():
    content = fuzz.hostile.weights()
    made = [fuzz.damaged(random.Random("1 7"), content, [content]) for _ in range(2)]
    assert made[0] == made[1] != content


def test_only_errors_of_ours_are_a_refusal(tmp_path):
    def refuses(path):
        raise tt.ModelFormatError("no")

    assert not fuzz.attempt(refuses, tmp_path)
    with pytest.raises(ZeroDivisionError):
        fuzz.attempt(lambda path: 1 / 0, tmp_path)
