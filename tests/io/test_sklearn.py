"""scikit-learn: the same probabilities and predictions, on data of all kinds."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytensor as tt
from tests.naive import gamma, within
from tests.rounding import error_bound
from tinytensor.io.config import build, describe

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    LabelBinarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)  # fmt: skip
from sklearn.tree import DecisionTreeClassifier

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
    MaxAbsScaler(), RobustScaler(), RobustScaler(with_centering=False), RobustScaler(with_scaling=False),
    "passthrough", None,
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
        steps = [(f"s{i}", clone(each) if hasattr(each, "fit") else each) for i, each in enumerate(scalers)]
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
    with pytest.raises(tt.UnsupportedOp, match=r"DecisionTreeClassifier.*there are MLPClassifier"):
        tt.from_sklearn(make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(X, y))
    with pytest.raises(tt.UnsupportedOp, match=r"with loss='hinge' it has no predict_proba"):
        tt.from_sklearn(SGDClassifier().fit(X, y))
    with pytest.raises(tt.UnsupportedOp, match="expected numbers as categories"):
        tt.from_sklearn(OneHotEncoder().fit([["a"], ["b"]]))
    with pytest.raises(tt.UnsupportedOp, match="infrequent"):
        tt.from_sklearn(OneHotEncoder(min_frequency=2).fit([[1], [1], [2], [3]]))
    search = GridSearchCV(Ridge(), {"alpha": [1.0]}, refit=False, cv=2).fit(X, y)
    with pytest.raises(tt.ArgumentError, match=r"no best_estimator_; call its fit\(X, y\) with refit=True"):
        tt.from_sklearn(search)
    for each in (
        MLPClassifier(),
        StandardScaler(),
        MinMaxScaler(),
        MaxAbsScaler(),
        PCA(),
        LogisticRegression(),
    ):
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


CLASSIFIERS = [
    LogisticRegression(), LogisticRegression(fit_intercept=False),
    SGDClassifier(loss="log_loss", random_state=0),
    SGDClassifier(loss="modified_huber", random_state=0),
]  # fmt: skip


@pytest.mark.parametrize("kind", ["two", "words", "three"])
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=str)
def test_linear_classifiers(estimator, kind):
    """Scores within γ(n + 2)|w||x|, through functions whose slopes are at most 1, and a quotient."""
    X, y = data(kind, 0)
    X = StandardScaler().fit_transform(X)
    estimator = fitted(estimator, X, y)
    model, wanted = tt.from_sklearn(estimator), estimator.predict_proba(X)
    scores = np.abs(X) @ np.abs(estimator.coef_).T + np.abs(estimator.intercept_)
    off = gamma(FEATURES + 2, np.float64) * scores.max(axis=1, keepdims=True) + 64 * 2.0**-53
    within(model(tt.Tensor(X, X.dtype)), wanted, 2 * len(estimator.classes_) * off)
    again = build(describe(model), model.state_dict())
    assert np.array_equal(again(tt.Tensor(X, X.dtype)), model(tt.Tensor(X, X.dtype)))


def test_classes_that_all_have_the_probability_0():
    X, y = data("three", 0)
    estimator = SGDClassifier(loss="modified_huber", random_state=0).fit(X, y)
    estimator.coef_, estimator.intercept_ = np.zeros((3, FEATURES)), np.full(3, -2.0)
    assert np.array_equal(tt.from_sklearn(estimator)(X).numpy(), estimator.predict_proba(X))
    assert np.array_equal(tt.from_sklearn(estimator)(X).numpy(), np.full((40, 3), 1 / 3))


@pytest.mark.parametrize("estimator", [LinearRegression(), Ridge(), Ridge(fit_intercept=False)], ids=str)
@pytest.mark.parametrize("kind", ["one", "many"])
def test_linear_regressors(estimator, kind):
    X, y = data(kind, 0)
    agree(estimator.fit(X, y), X)
    column, _ = agree(estimator.fit(X, y.reshape(40, -1)[:, :1]), X)
    assert column(X).shape == (40, 1) or estimator.coef_.ndim == 1


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
def test_normalizer(norm):
    X, y = data("three", 0)
    X[3] = 0
    X[4] *= 1e-18
    model, scaler = tt.from_sklearn(Normalizer(norm).fit(X)), Normalizer(norm)
    wanted = scaler.transform(X)
    within(model(tt.Tensor(X, X.dtype)), wanted, 2 * gamma(FEATURES + 3, np.float64) * np.abs(wanted))
    estimator = fitted(make_pipeline(Normalizer(norm), LogisticRegression()), X, y)
    got = tt.from_sklearn(estimator)(tt.Tensor(X, X.dtype))
    coefficients = estimator[-1].coef_
    off = 2 * gamma(4 * FEATURES, np.float64) * (np.abs(coefficients).sum(axis=1).max() + 1) + 64 * 2.0**-53
    within(got, estimator.predict_proba(X), np.full((40, 3), 3 * off))


@pytest.mark.parametrize("drop", [None, "first", "if_binary"])
def test_one_hot_encoder_in_front(drop):
    X = np.stack([np.arange(40) % 3, np.arange(40) % 2 * 2.5 - 1, np.arange(40) % 5 - 2], axis=1)
    y = np.random.default_rng(0).integers(0, 2, 40)
    encoder = OneHotEncoder(drop=drop, handle_unknown="ignore", sparse_output=False).fit(X)
    unknown = np.concatenate([X, [[7, 8, 9]]]) if drop is None else X
    model = tt.from_sklearn(encoder)
    assert np.array_equal(model(tt.Tensor(unknown, np.float64)), encoder.transform(unknown))
    again = build(describe(model), model.state_dict())
    assert np.array_equal(again(X), encoder.transform(X))
    estimator = make_pipeline(OneHotEncoder(drop=drop), MLPClassifier((4,), max_iter=5, random_state=0))
    got = tt.from_sklearn(fitted(estimator, X, y)).predict(X)
    bound = error_bound(tt.from_sklearn(estimator[-1]), encoder.transform(X))
    within(got, estimator.predict_proba(X), 2 * bound + 2.0**-52)


def test_outputs_of_a_label_binarizer():
    X, y = data("three", 0)
    estimator = MLPClassifier((4,), max_iter=5, random_state=0)
    _, got = agree(fitted(estimator, X, LabelBinarizer().fit_transform(y)), X)
    assert got.shape == (40, 3)


@pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV])
def test_fitted_searches(search):
    X, y = data("three", 0)
    pipeline = Pipeline([("scale", RobustScaler()), ("net", MLPClassifier((4,), max_iter=5, random_state=0))])
    options = {"n_iter": 2, "random_state": 0} if search is RandomizedSearchCV else {}
    found = fitted(search(pipeline, {"net__alpha": [1e-4, 1e-2]}, cv=2, **options), X, y)
    wanted = tt.from_sklearn(found.best_estimator_)
    assert np.array_equal(tt.from_sklearn(found)(X), wanted(X))
    options = {"n_iter": 1, "random_state": 0} if options else {}
    inner = search(MLPClassifier((3,), max_iter=5, random_state=0), {"alpha": [1e-4]}, cv=2, **options)
    agree(fitted(make_pipeline(StandardScaler(), inner), X, y), X)


@pytest.mark.parametrize("estimator", [PCA(), PCA(3), PCA(3, whiten=True), PCA(0.9)], ids=str)
def test_pca(estimator):
    """Projections of x and of the mean, each within γ(n + 2), are subtracted, and the rest divided."""
    X, y = data("three", 0)
    estimator = estimator.fit(X)
    scale = np.sqrt(estimator.explained_variance_) if estimator.whiten else 1.0
    sizes = (np.abs(X) + np.abs(estimator.mean_)) @ np.abs(estimator.components_).T / scale
    model = tt.from_sklearn(estimator)
    within(
        model(tt.Tensor(X, X.dtype)), estimator.transform(X), 2 * gamma(2 * FEATURES + 4, np.float64) * sizes
    )
    pipeline = fitted(make_pipeline(clone(estimator), LogisticRegression()), X, y)
    got = tt.from_sklearn(pipeline)(tt.Tensor(X, X.dtype)).numpy()
    assert np.array_equal(got.argmax(axis=1), pipeline.predict(X))
