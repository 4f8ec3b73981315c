"""What a layer or an activation of your own costs: `python -m benchmarks.custom`.

One network, 784-256-10 with softmax, and in its middle an activation or layer: built-in, your own, or one
whose `forward` cannot be traced. Microseconds of a call on one thread, the fastest of interleaved rounds.
"""

import argparse
import math
import time

import numpy as np

import tinytensor as tt
from benchmarks.figures import short

BATCHES = (1, 100, 1000)
ROUNDS = 40


@tt.activation
def squareplus(x, b=4.0):
    return 0.5 * (x + math.sqrt(x * x + b))


@tt.elementwise
def product_of_both(x, gate):
    return x * (gate if gate > 0 else 0)


class Scale(tt.Layer):
    def __init__(self, factor):
        self.factor = tt.Tensor(factor)

    def forward(self, x):
        return x * self.factor


class Gate(tt.Layer):
    def __init__(self, factor):
        self.factor = tt.Tensor(factor)

    def forward(self, x):
        return product_of_both(x, self.factor)


class InNumPy(tt.Layer):
    def forward(self, x):
        return tt.Tensor(np.maximum(np.asarray(x), 0))


MIDDLES = {
    "nothing": [],
    "built-in activation, `tt.relu`": [tt.relu],
    "built-in activation, `tt.softplus`": [tt.softplus],
    "own `@tt.activation`, √ and a sum": [squareplus],
    "own layer, `x * self.factor`": [Scale(np.ones(256, np.float32))],
    "own layer with `@tt.elementwise`": [Gate(np.ones(256, np.float32))],
    "own layer in NumPy, not traced": [InNumPy()],
}


def network(middle):
    return tt.Sequential(tt.Linear(784, 256, seed=0), *middle, tt.Linear(256, 10, seed=1), tt.softmax)


def seconds_of_a_call(model, x, calls):
    begin = time.perf_counter()
    for _ in range(calls):
        model.predict(x, threads=1)
    return (time.perf_counter() - begin) / calls


def main(arguments=None):
    argparse.ArgumentParser(prog="python -m benchmarks.custom", description=__doc__).parse_args(arguments)
    models = {name: network(middle) for name, middle in MIDDLES.items()}
    found = {name: [] for name in models}
    for batch in BATCHES:
        x = np.random.default_rng(0).random((batch, 784), np.float32)
        calls = max(1, 2000 // batch)
        rounds = {name: [] for name in models}
        for round_ in range(ROUNDS + 1):
            for name, model in models.items():
                seconds = seconds_of_a_call(model, x, calls)
                if round_:  # the first compiles
                    rounds[name].append(seconds)
        for name, times in rounds.items():
            found[name].append(1e6 * min(times))
    print("| in the middle |" + "".join(f" batch {batch:,} |" for batch in BATCHES))
    print("|---|" + "---:|" * len(BATCHES))
    for name, row in found.items():
        print(f"| {name} |" + "".join(f" {short(value)} |" for value in row))


if __name__ == "__main__":
    main()
