import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

import tinytensor as tt
from tinytensor import contents
from tinytensor.elsewhere import ABSENT, NAMES


def printed(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_name_is_there():
    assert sorted(contents.__all__) == sorted(set(contents.__all__))
    assert all(getattr(tt, name) is getattr(contents, name) for name in contents.__all__)


def test_completion_shows_the_public_names_only():
    shown = set(dir(tt))
    assert shown == {*contents.__all__, *tt.PUBLIC_MODULES, "__version__"}
    code = (
        "import rlcompleter, tinytensor as tt; print(rlcompleter.Completer({'tt': tt}).attr_matches('tt.k'))"
    )
    assert printed(code) == "[]"
    assert all(getattr(tt, name) is not None for name in shown)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError) as error:
        tt.banana
    assert str(error.value) == "module 'tinytensor' has no attribute 'banana'"
    with pytest.raises(ImportError, match="relux"):
        from tinytensor import relux  # noqa: F401


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Relu", "ReLU"),
        ("relux", "relu"),
        ("linear", "Linear"),
        ("load_weight", "load_weights"),
        ("dataset", "datasets"),
    ],
)
def test_a_misspelt_name(name, meant):
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; did you mean tt.{meant}\\?$"):
        getattr(tt, name)


def test_importing_the_package_imports_nothing_that_takes_time():
    slow = "numpy numba safetensors rich matplotlib pooch torch"
    assert printed(f"import sys, tinytensor; print(*[m for m in '{slow}'.split() if m in sys.modules])") == ""


def test_using_it_imports_no_optional_library():
    code = """
import sys
import tinytensor as tt
tt.Sequential(tt.Linear(3, 2), tt.softmax).predict([[1, 2, 3]])
print(*[m for m in "rich matplotlib pooch torch onnx safetensors".split() if m in sys.modules])
"""
    assert printed(code) == ""


@pytest.mark.parametrize(
    "code",
    [
        "from tinytensor import *; print(len([Linear, relu, zeros, Sequential]))",
        "from tinytensor import Linear, relu, io, datasets; print(len([Linear, relu, io.book, datasets]))",
        "import tinytensor.activations; import tinytensor.io; print(4)",
        "import tinytensor.layers.sequential as s, tinytensor.tensors as t; "
        "print(len([s, t, s.through, t.Tensor]))",
        "import tinytensor as tt; print(len([tt.kernels, tt.errors, tt.layers, tt.io]))",
    ],
)
def test_every_way_to_import(code):
    assert printed(code) == "4"


@pytest.mark.parametrize("name", NAMES)
def test_what_another_library_calls_a_thing(name):
    assert find_spec(f"tinytensor.{name}") is None
    with pytest.raises(
        AttributeError, match=re.escape(f"has no attribute '{name}'; here it is {NAMES[name]}")
    ):
        getattr(tt, name)
    exists(NAMES[name])


def exists(advice):
    """Whether every name in a piece of advice is there."""
    assert set(re.findall(r"tt\.(\w+)", advice)) <= set(dir(tt))
    for word, cls in (("model", tt.Sequential), ("layer", tt.Linear(1, 1)), ("t", tt.Tensor)):
        assert all(hasattr(cls, each) for each in re.findall(rf"\b{word}\.(\w+)", advice)), advice


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_here_at_all(name):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; {re.escape(ABSENT[name])}$"):
        getattr(tt, name)
    exists(ABSENT[name])


@pytest.mark.parametrize("package", ["layers", "models"])
def test_names_of_the_package_in_a_package_of_it(package):
    with pytest.raises(AttributeError, match=f"'tinytensor.{package}' .*'Linear'; here it is tt.Linear$"):
        getattr(tt, package).Linear
    with pytest.raises(AttributeError, match=f"'tinytensor.{package}' .*'Dense'; here it is tt.Linear$"):
        getattr(tt, package).Dense
    with pytest.raises(ImportError, match="Linear"):
        exec(f"from tinytensor.{package} import Linear")
