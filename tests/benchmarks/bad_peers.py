"""Peers that misbehave, each in its own way; pickled to workers by name."""

import os
import time

import numpy as np

from benchmarks.peers import Peer, numpy


def crash(network, x, threads):
    os._exit(3)


def abort(network, x, threads):
    os.abort()


def hang(network, x, threads):
    time.sleep(600)


def hang_later(network, x, threads):
    right = numpy(network, x, threads)
    begin = time.monotonic()
    return lambda: right() if time.monotonic() - begin < 0.3 else time.sleep(600)


def refuse(network, x, threads):
    raise NotImplementedError("no such layer")


def noisy(network, x, threads):
    print("a peer's own words")
    return numpy(network, x, threads)


def bfloat16(network, x, threads):
    """Less precision, as some runtimes take it unasked."""
    right = numpy(network, x, threads)
    return lambda: (right().view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def nan(network, x, threads):
    right = numpy(network, x, threads)
    return lambda: right() * np.float32(np.nan)


def peer(name, network):
    return Peer(name, "numpy", "numpy", network, "#000000")
