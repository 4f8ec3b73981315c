"""`Model`: what can be predicted with, measured and looked into; every layer is one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinytensor import notebook
from tinytensor.errors import ArgumentError, IndexingError
from tinytensor.inference import revision
from tinytensor.inference.calls import recorded
from tinytensor.inference.plan import Plan, plan_of
from tinytensor.inference.predict import given, predict, predict_batches
from tinytensor.inference.samples import as_tensor
from tinytensor.inference.traceable import Traceable
from tinytensor.kernels.boundary import Array, index, real_number
from tinytensor.tensors import Tensor
from tinytensor.threads import MOST

if (
    TYPE_CHECKING
):  # a process that predicts does not look into the model: each is imported when it is asked for
    from tinytensor.inference.explain import Explanation
    from tinytensor.inference.profile import Profile
    from tinytensor.inference.summary import Summary

__all__ = ["Model"]


class Model(Traceable):
    """y = forward(x), with ways to run it on many samples and to see what it does."""

    _plan: Plan | None = None

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        progress: bool = False,
        threads: int | None = None,
        out: Array | None = None,
    ) -> Any:
        """The outputs for an array of samples, as an array; row i depends on sample i alone.

        A model of several outputs gives a tuple of arrays.

        The bits of a row depend neither on the batch, nor on threads, nor on how the samples lie in memory.
        Memory is needed for a few blocks of samples and for the outputs, so x may be a memory map.

        Args:
            x: (n, …), anything array-like, or an iterator of batches. A model of several inputs takes a tuple
                of them, or a dict by name. A Dask array or DataFrame gives one, of which nothing is computed
                yet (`tt.distributed.dask.predict`).
            batch_size: how many samples go through layers of your own at a time; all by default.
            progress: show a bar on the terminal (extra `cli`).
            threads: how many work on it; by default as many as `tt.set_num_threads` says.
            out: where to write the outputs, an array or a memory map of their shape and dtype.

        Raises:
            ArgumentError: batch_size or threads is no positive integer; out is read-only or part of x.
            ShapeError: the samples do not fit the first layer, or the outputs do not fit `out`.
            DtypeError: x is not real numbers, progress no bool, or the outputs have another dtype than `out`.

        >>> import tinytensor as tt
        >>> tt.Sequential(tt.relu).predict([[1.0, -1.0], [-2.0, 2.0]], batch_size=1)
        array([[1., 0.],
               [0., 2.]], dtype=float32)
        """
        # at batch 1 what follows this test would take as long as all layers
        plain = type(x) is np.ndarray and batch_size is None and out is None and progress is False
        if plain and (threads is None or (type(threads) is int and 1 <= threads <= MOST)):
            plan = self._plan
            y = plan.at_once(x, threads) if plan is not None and plan.count == revision.count else None
            if y is not None:
                return y
        return predict(self, x, batch_size, progress, threads, out)

    def predict_batches(
        self, batches: Any, batch_size: int | None = None, threads: int | None = None, progress: bool = False
    ) -> Iterator[Any]:
        """The outputs of one batch after the other, as each is asked for.

        Args:
            batches: an iterable of batches, or an array, which is cut into batches of `batch_size` (1000).
            progress: show a bar on the terminal (extra `cli`).

        Raises:
            ArgumentError: batch_size or threads is no positive integer.
            DtypeError: nothing that batches come out of.

        >>> import tinytensor as tt
        >>> [y.tolist() for y in tt.Sequential(tt.relu).predict_batches([[[1.0]], [[-1.0]]])]
        [[[1.0]], [[0.0]]]
        """
        return predict_batches(self, batches, batch_size, threads, progress)

    def profile(self, x: Any, seconds: float = 0.5) -> "Profile":
        """How long each step takes on one thread; printing the result shows a table.

        What is measured is what `predict` executes: each step adds the ticks of a counter to its own. Passes
        are repeated for so many seconds; the figures are means of one pass.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(784, 50, seed=0), tt.sigmoid)
        >>> [row.name for row in model.profile(tt.ones((100, 784)), seconds=0).rows]
        ['0 Linear(in_features=784, out_features=50)', '1 Sigmoid()']
        """
        from tinytensor.inference.profile import profile

        return profile(plan_of(self), x, real_number("profile: seconds", seconds))

    def outputs(self, x: Any, *which: str | int) -> dict[str | int, Tensor]:
        """What layers inside the model make of x, by name or index; without any named, all of them.

        A layer inside another is named `block.layer`, as in `state_dict`; it is seen if that calls it.

        Raises:
            ArgumentError: there is no such layer.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Rescale(2.0), ("act", tt.relu))
        >>> model.outputs([[1.0, -1.0]], 0, "act")
        {0: Tensor([[ 2., -2.]], shape=(1, 2), dtype=float32),
         'act': Tensor([[2., 0.]], shape=(1, 2), dtype=float32)}
        """
        paths = {each: self._path(each) for each in which}
        with recorded(self) as seen:
            self.forward(*given(self, x, lambda each: as_tensor(self, each)))
        silent = [path for path in paths.values() if path not in seen]
        if silent:
            raise ArgumentError(
                f"{type(self).__name__}: {', '.join(silent)}: "
                "the layer around it does not call it as self.layer(x)"
            )
        return {each: seen[path] for each, path in (paths or {path: path for path in seen}).items()}

    def _path(self, key: str | int) -> str:
        """The name of a layer that is given by name or index."""
        known = dict(everything_in(self))
        if not isinstance(key, str):
            names = list(self.children())
            if not hasattr(key, "__index__") or isinstance(key, np.ndarray | bool | np.bool):
                raise IndexingError(
                    f"{type(self).__name__}: expected the name or the index of a layer, got {key!r:.80}"
                )
            if not -len(names) <= index(key) < len(names):
                raise IndexingError(
                    f"{type(self).__name__}: index {key} is out of range for {len(names)} layers"
                )
            return names[index(key)]
        if key not in known:
            raise ArgumentError(
                f"{type(self).__name__}: no layer is named {key!r}; there are {', '.join(known)}"
            )
        return key

    def summary(self, shape: int | tuple[int, ...] | None = None) -> "Summary":
        """Every layer's output shape, parameters and bytes; printing it shows a table.

        Args:
            shape: of one sample, or its length; only needed where the first layer takes samples of any
                shape.

        >>> import tinytensor as tt
        >>> tt.Sequential(tt.Linear(784, 10), tt.softmax).summary().parameters
        7850
        """
        from tinytensor.inference.summary import summarize

        return summarize(self, shape)

    def explain(self, x: Any = None, shape: int | tuple[int, ...] | None = None) -> "Explanation":
        """Each step as a formula with this model's numbers, and what computes it; printing it shows them.

        Args:
            x: one sample, or a batch of one: the values after each step are shown, too.
            shape: of one sample, or its length; only needed without a sample, where the first layer takes
                samples of any shape.

        Raises:
            ArgumentError: x is a batch of several samples, or the shape of a sample is unknown.
            ShapeError: a layer does not take what comes before it.

        >>> import tinytensor as tt
        >>> model = tt.Sequential(tt.Linear(784, 50), tt.sigmoid, tt.Linear(50, 10), tt.softmax)
        >>> for row in model.explain().rows[:2]:
        ...     print(row.formula, "|", row.where)
        a⁽¹⁾ = W⁽¹⁾ x + b⁽¹⁾ | W⁽¹⁾: 50×784, b⁽¹⁾: 50
        z⁽¹⁾ = sigmoid(a⁽¹⁾) | sigmoid(x) = 1 / (1 + e^-x) = ½(1 + tanh(x / 2))
        """
        from tinytensor.inference.explain import explain

        return explain(self, x, shape)

    def trace(self, shape: int | tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """The shape of one sample after each layer, by the layer's name, without computing anything.

        Args:
            shape: of one sample, or its length.

        Raises:
            ShapeError: a layer does not take what comes before it; says which, and why.

        >>> import tinytensor as tt
        >>> tt.Sequential(tt.Flatten(), tt.Linear(784, 10)).trace((28, 28))
        {'0': (784,), '1': (10,)}
        """
        from tinytensor.inference.summary import shapes

        return shapes(self, shape)

    _repr_html_ = notebook.model_html


def everything_in(layer: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All layers inside one, however deep, by name."""
    for name, child in layer.children().items():
        yield prefix + name, child
        yield from everything_in(child, f"{prefix}{name}.")
