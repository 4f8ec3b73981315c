"""Every error that tinytensor raises of its own: who, what was expected, what came, the likely fix."""

import importlib
from types import ModuleType

__all__ = [
    "ArgumentError",
    "DatasetError",
    "DownloadError",
    "DtypeError",
    "IndexingError",
    "MissingExtra",
    "ModelFormatError",
    "ModelFormatWarning",
    "PartitionError",
    "ShapeError",
    "TinyTensorError",
    "UnsupportedOp",
    "require",
]


class TinyTensorError(Exception):
    """Base class of all errors of tinytensor: `except tt.TinyTensorError` catches them."""


class ShapeError(TinyTensorError, ValueError):
    """An array has the wrong number of axes or the wrong length along one."""


class DtypeError(TinyTensorError, TypeError):
    """An array or value has a type that the operation does not accept."""


class IndexingError(TinyTensorError, IndexError, ValueError):
    """An index is out of range for the Tensor's shape, or is not an index."""


class ArgumentError(TinyTensorError, ValueError):
    """An argument lies outside what the function is defined for."""


class ModelFormatError(TinyTensorError, ValueError):
    """A file is not a valid model of its format; nothing was loaded from it."""


class ModelFormatWarning(UserWarning):
    """A model was loaded, but differs from its file in what the message says."""


class UnsupportedOp(ModelFormatError):
    """A model uses an operation that tinytensor does not compute."""


class DatasetError(TinyTensorError, OSError):
    """A dataset is missing, damaged or out of reach."""


class DownloadError(DatasetError):
    """A file could not be downloaded; there may be no network."""


class PartitionError(TinyTensorError, RuntimeError):
    """A part of the samples could not be computed by a cluster; the message names the part and its rows."""


class MissingExtra(TinyTensorError, ImportError):
    """An optional library is not installed."""


def require(module_name: str, extra: str) -> ModuleType:
    """Import an optional library or say which `pip install` brings it.

    Raises:
        MissingExtra: the library is not installed.

    >>> require("json", extra="cli").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        raise MissingExtra(
            f"{module_name.partition('.')[0]} is not installed; "
            f'it comes with: pip install "tinytensor-nn[{extra}]"'
        ) from error
