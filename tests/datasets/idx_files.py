"""IDX files to read and to serve, written independently of the reader."""

import struct


def idx_bytes(array):
    """What an IDX file of this uint8 array holds."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
