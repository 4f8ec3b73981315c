"""A kernel that waits for another thread."""

from tinytensor.kernels.atomic import load


def wait(box):
    while load(box, 0) == 0:
        pass
