"""Our own format: a safetensors file whose metadata holds the configuration and checksums of everything.

A safetensors file that others wrote has weights only; see `tinytensor.io.propose`.
"""

import json

from tinytensor import __version__
from tinytensor.errors import ModelFormatError
from tinytensor.files import StrPath, opened_file
from tinytensor.io.config import Config, State, text_of
from tinytensor.io.safetensors import checksum, crc_of_text, parse_json, read_data, read_header
from tinytensor.io.safetensors import write as write_tensors
from tinytensor.layers.layer import Layer
from tinytensor.layers.state_dict import state_dict

__all__ = ["is_ours", "read", "read_state", "write"]

FORMAT_VERSION = "1"
FORMAT, VERSION, CONFIG, CHECKSUMS = (
    "tinytensor.format", "tinytensor.version", "tinytensor.config", "tinytensor.checksums"
)  # fmt: skip
CONFIG_NAME = ""  # no parameter has this name


def is_ours(metadata: dict[str, str]) -> bool:
    """Whether tinytensor wrote the file; one damaged key does not turn it into another's."""
    return any(key.startswith("tinytensor") for key in metadata)


def read(path: StrPath) -> tuple[Config, State]:
    """The configuration and the state dict in a file.

    Raises:
        ModelFormatError: the file is damaged, of a later version of the format, or of weights alone.
    """
    with opened_file(path) as file:
        header = read_header(file)
        metadata = header.metadata
        if not is_ours(metadata):
            from tinytensor.io.propose import refuse

            refuse(read_data(file, header, checksums=False)[0], path)
        if metadata.keys() != {FORMAT, VERSION, CONFIG, CHECKSUMS}:
            raise ModelFormatError(
                f"metadata: expected tinytensor's four entries, got {sorted(metadata)!r:.200}"
            )
        if metadata[FORMAT] != FORMAT_VERSION:
            raise ModelFormatError(
                f"expected version {FORMAT_VERSION} of the format, got {metadata[FORMAT]!r:.20}, written by "
                f"tinytensor {metadata[VERSION]!r:.20}; this is tinytensor {__version__}"
            )
        tensors, found = read_data(file, header, checksums=True)
    found[CONFIG_NAME] = crc_of_text(metadata[CONFIG])
    written, config = parse_json(metadata[CHECKSUMS]), parse_json(metadata[CONFIG])
    if not isinstance(written, dict) or written.keys() != found.keys():
        raise ModelFormatError("metadata: expected a checksum of every tensor and of the configuration")
    for name, crc in found.items():
        if written[name] != f"{crc:08x}":
            raise ModelFormatError(f"{name or 'the configuration'}: damaged: its checksum is another")
    return config, tensors


def read_state(path: StrPath) -> State:
    """The tensors alone, whoever wrote them.

    Raises:
        ModelFormatError: the file is damaged.
    """
    with opened_file(path) as file:
        header = read_header(file)
        if not is_ours(header.metadata):
            return read_data(file, header, checksums=False)[0]
    return read(path)[1]


def write(path: StrPath, model: Layer) -> None:
    """Write a model.

    Raises:
        ArgumentError: a layer cannot be described, or its configuration holds something that JSON does not.
        OSError: the disk does not take it.
    """
    state, text = state_dict(model), text_of(model)
    sums = {name: checksum(name, array) for name, array in state.items()}
    sums[CONFIG_NAME] = crc_of_text(text)
    metadata = {
        FORMAT: FORMAT_VERSION,
        VERSION: __version__,
        CONFIG: text,
        CHECKSUMS: json.dumps({name: f"{crc:08x}" for name, crc in sums.items()}),
    }
    write_tensors(path, state, metadata)
