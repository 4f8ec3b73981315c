"""scikit-learn: the same probabilities and predictions, on data of all kinds."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import within
from tests.rounding import error_bound
from tinytensor.io.config import build, describe

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

FEATURES = 5


def data(kind, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((40, FEATURES)) * [1, 10, 0.1, 1, 3] + [0, 5, 1000, -1, 0]).astype(dtype)
    y = {
        "two": rng.integers(0, 2, 40), "words": rng.choice(["no", "yes"], 40), "three": np.arange(40) % 3,
        "labels": rng.integers(0, 2, (40, 3)), "one": rng.standard_normal(40),
        "many": rng.standard_normal((40, 2)),
    }[kind]  # fmt: skip
    return X, y


def fitted(estimator, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(X, y)


def agree(estimator, X):
    """Both are within the bound of the exact value; a difference 1 - p is rounded once more.

    scikit-learn scales float32 samples in float32, whatever it has learned in.
    """
    model = tt.from_sklearn(estimator)
    theirs = build(describe(model), {name: p.astype(X.dtype) for name, p in model.state_dict().items()})
    wanted = getattr(estimator, "predict_proba", estimator.predict)(X)
    got = model(tt.Tensor(X, X.dtype)).numpy()
    within(got, wanted, error_bound(model, X) + error_bound(theirs, X) + np.finfo(X.dtype).eps)
    return model, got


SCALERS = [
    StandardScaler(), StandardScaler(with_mean=False), StandardScaler(with_std=False),
    StandardScaler(with_mean=False, with_std=False), MinMaxScaler(), MinMaxScaler((-1, 2), clip=True),
    MaxAbsScaler(), "passthrough", None,
]  # fmt: skip


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["two", "words", "three", "labels", "one", "many"]),
    activation=st.sampled_from(["identity", "logistic", "tanh", "relu"]),
    hidden=st.lists(st.integers(1, 6), min_size=0, max_size=2),
    scalers=st.lists(st.sampled_from(SCALERS), max_size=2),
    dtype=st.sampled_from([np.float64, np.float32]),
    seed=st.integers(0, 9),
)
def test_any_estimator(kind, activation, hidden, scalers, dtype, seed):
    X, y = data(kind, seed, dtype)
    maker = MLPRegressor if kind in ("one", "many") else MLPClassifier
    estimator = maker(hidden_layer_sizes=hidden, activation=activation, max_iter=5, random_state=seed)
    if scalers:
        steps = [(f"s{i}", each) for i, each in enumerate(scalers)]
        estimator = Pipeline([*steps, ("net", estimator)])
    _, got = agree(fitted(estimator, X, y), X[::-1])
    if kind in ("two", "words", "three"):
        predicted = estimator.predict(X[::-1])
        best = np.sort(got, axis=1)
        clear = best[:, -1] - best[:, -2] > 1e-3  # where rounding does not decide
        assert np.array_equal(estimator.classes_[got.argmax(axis=1)][clear], predicted[clear])


def test_shapes_and_names():
    X, y = data("one", 0)
    model, got = agree(
        fitted(make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(4,), max_iter=3)), X, y), X
    )
    assert got.shape == (40,)
    assert list(model.children()) == ["standardscaler", "mlpregressor"]
    X, y = data("two", 0)
    model, got = agree(fitted(MLPClassifier(hidden_layer_sizes=(4,), max_iter=3), X, y), X)
    assert got.shape == (40, 2)
    assert repr(model[:2]) == repr(tt.Sequential(tt.Linear(FEATURES, 4, dtype="float64"), tt.relu))


def test_a_loss_of_counts():
    X, y = data("one", 0)
    try:
        estimator = MLPRegressor(hidden_layer_sizes=(4,), loss="poisson", max_iter=3, random_state=0)
    except TypeError:
        pytest.skip("this scikit-learn has no such loss")
    model = tt.from_sklearn(fitted(make_pipeline(StandardScaler(), estimator), X, np.abs(y)))
    before, wanted = model["mlpregressor"][:-2], model[:1] + tt.Sequential(model["mlpregressor"][:-2])
    assert isinstance(model["mlpregressor"][-2], tt.Exponential)
    a = wanted(tt.Tensor(X, X.dtype)).numpy()[:, 0]
    bound = np.exp(a) * np.expm1(2 * error_bound(wanted, X)[:, 0] + 32 * 2.0**-53)
    within(model(tt.Tensor(X, X.dtype)), np.exp(a), bound)
    assert len(before) == 3


def test_what_is_refused():
    X, y = data("two", 0)
    with pytest.raises(tt.UnsupportedOp, match=r"LogisticRegression.*there are MLPClassifier"):
        tt.from_sklearn(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y))
    for each in (MLPClassifier(), StandardScaler(), MinMaxScaler(), MaxAbsScaler()):
        with pytest.raises(tt.ArgumentError, match=r"not fitted yet; call its fit\(X, y\)"):
            tt.from_sklearn(each)
    for thing in (3, "MLPClassifier", [MLPClassifier()]):
        with pytest.raises(tt.DtypeError, match="expected an estimator of scikit-learn"):
            tt.from_sklearn(thing)


def test_a_scaler_alone():
    X, _ = data("one", 0)
    scaler = StandardScaler().fit(X)
    model = tt.from_sklearn(scaler)
    within(model(tt.Tensor(X, X.dtype)), scaler.transform(X), 2 * error_bound(model, X))
