import pickle
import sys

import pytest

from tinytensor import errors
from tinytensor.errors import MissingExtra, TinyTensorError, require

PARENTS = {
    "ArgumentError": ValueError,
    "DatasetError": OSError,
    "DownloadError": errors.DatasetError,
    "DtypeError": TypeError,
    "IndexingError": IndexError,
    "MissingExtra": ImportError,
    "ModelFormatError": ValueError,
    "PartitionError": RuntimeError,
    "ShapeError": ValueError,
    "UnsupportedOp": errors.ModelFormatError,
}


def test_every_error_is_ours_and_pythons():
    ours = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert ours == {*PARENTS, "TinyTensorError", "ModelFormatWarning"}
    assert issubclass(errors.ModelFormatWarning, UserWarning)
    for name, parent in PARENTS.items():
        error = getattr(errors, name)
        assert issubclass(error, TinyTensorError)
        assert issubclass(error, parent)
        assert str(pickle.loads(pickle.dumps(error("what happened")))) == "what happened"


def test_require_imports_or_names_the_extra(monkeypatch):
    assert require("json.decoder", extra="cli").JSONDecoder
    monkeypatch.setitem(sys.modules, "rich", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "rich.table", raising=False)  # another test may have imported it
    with pytest.raises(MissingExtra, match=r"rich is not installed; .*pip install \"tinytensor-nn\[cli\]\""):
        require("rich.table", extra="cli")
