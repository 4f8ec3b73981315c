"""Models of scikit-learn through skl2onnx: the same as ONNX Runtime makes of them."""

import warnings

import numpy as np
import pytest

import tinytensor as tt

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
helper, TensorProto = onnx.helper, onnx.TensorProto
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.standard_normal((40, 4)), np.zeros((1, 4))]).astype(np.float32)
NUMBERED = (np.abs(X[:, 0]) > 0.6).astype(int) + (X[:, 1] > 0.5)
NAMED = np.array(["setosa", "versicolor", "virginica"])[NUMBERED]


def theirs(made, x):
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def ours(made, x, *notes):
    """The outputs as arrays, and that just these things are said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = tt.from_onnx(made)
    assert len(caught) == len(notes)
    for said, note in zip(caught, notes, strict=True):
        assert said.category is tt.ModelFormatWarning
        assert note in str(said.message)
    y = model(x)
    return [each.numpy() for each in (y if isinstance(y, tuple) else (y,))]


def close(a, b, roundings=256):
    """Both compute in float32, a few dozen roundings of numbers of about the size of the largest."""
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    bound = roundings * 2.0**-24 * max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0)))
    assert np.allclose(a, b, rtol=0, atol=bound, equal_nan=True)


def single(op, inputs, outputs, types, **attributes):
    """One node of ai.onnx.ml that reads x."""
    node = helper.make_node(op, inputs, outputs, op, domain="ai.onnx.ml", **attributes)
    x = helper.make_tensor_value_info("x", types[0], [None, X.shape[1]])
    ends = [helper.make_tensor_value_info(n, t, None) for n, t in zip(outputs, types[1:], strict=True)]
    version = 2 if op == "LabelEncoder" else 1
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", version)]
    return helper.make_model(helper.make_graph([node], "g", [x], ends), ir_version=8, opset_imports=opsets)


WHOLE = np.array([[0, 1, 2, 3], [3, 2, 7, 0]], np.int64)
MISSING = np.where(X > 1, np.float32(np.nan), X)


@pytest.mark.parametrize(
    ("op", "x", "out", "attributes"),
    [
        ("Scaler", X, FLOAT, {"offset": [1.0, 2.0, 3.0, 4.0], "scale": [0.5, 2.0, -1.0, 3.0]}),
        ("Scaler", X, FLOAT, {"offset": [1.5], "scale": [0.5]}),
        ("Scaler", WHOLE, FLOAT, {"offset": [1.5], "scale": [0.5]}),
        *[("Normalizer", X, FLOAT, {"norm": norm}) for norm in ("MAX", "L1", "L2")],
        ("LinearRegressor", X, FLOAT,
         {"coefficients": [1.0, 2.0, -3.0, 4.0], "intercepts": [0.5], "targets": 1}),
        ("LinearRegressor", X, FLOAT,
         {"coefficients": [1.0, 2.0, -3.0, 4.0] * 2, "intercepts": [0.5, -1.0], "targets": 2}),
        ("OneHotEncoder", WHOLE, FLOAT, {"cats_int64s": [0, 3, 2]}),
        ("Imputer", MISSING, FLOAT,
         {"imputed_value_floats": [1.0, 2.0, 3.0, 4.0], "replaced_value_float": float("nan")}),
        ("Imputer", X, FLOAT, {"imputed_value_floats": [7.0], "replaced_value_float": 0.0}),
        ("Imputer", WHOLE, INT64, {"imputed_value_int64s": [9], "replaced_value_int64": 3}),
        ("LabelEncoder", WHOLE, INT64,
         {"keys_int64s": [0, 1, 2], "values_int64s": [10, 11, 12], "default_int64": -5}),
        ("LabelEncoder", WHOLE, FLOAT, {"keys_int64s": [0, 1, 2], "values_floats": [0.5, 1.5, 2.5]}),
        ("LabelEncoder", MISSING, INT64,
         {"keys_floats": [0.0, 1.5], "values_int64s": [4, 5], "default_int64": 0}),
        ("Binarizer", X, FLOAT, {"threshold": 0.25}),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
def test_each_operation(op, x, out, attributes):
    made = single(op, ["x"], ["y"], [INT64 if x.dtype == np.int64 else FLOAT, out], **attributes)
    (wanted,) = theirs(made, x)
    (found,) = ours(made, x)
    close(found, wanted)


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_a_linear_classifier(transform):
    weights = RNG.standard_normal((3, 4)).astype(np.float32)
    attributes = {"coefficients": weights.ravel().tolist(), "intercepts": [0.1, -0.2, 0.3]}
    made = single("LinearClassifier", ["x"], ["label", "scores"], [FLOAT, INT64, FLOAT], **attributes,
                  classlabels_ints=[5, 7, 9], post_transform=transform)  # fmt: skip
    labels, scores = ours(made, X)
    wanted = theirs(made, X)
    assert np.array_equal(labels, wanted[0])
    close(scores, wanted[1])


@pytest.mark.parametrize(
    ("op", "attributes", "said"),
    [
        ("TreeEnsembleClassifier", {}, "linear models"),
        ("LinearClassifier", {"coefficients": [1.0] * 8, "classlabels_ints": [0, 1],
                              "post_transform": "PROBIT"}, "LOGISTIC"),
        ("LinearClassifier", {"coefficients": [1.0] * 4, "intercepts": [0.0], "classlabels_ints": [0, 1]},
         "one row for each class"),
        ("LinearClassifier", {"coefficients": [1.0] * 4, "classlabels_ints": [0]}, "1 rows for 1 classes"),
        ("LinearClassifier", {"coefficients": [1.0] * 12, "intercepts": [0.0] * 3,
                              "classlabels_ints": [0, 1]}, "3 rows for 2 classes"),
        ("OneHotEncoder", {"cats_strings": ["a"]}, "numbers would help"),
    ],
)  # fmt: skip
def test_what_is_refused(op, attributes, said):
    outputs = ["y", "z"] if "Classifier" in op else ["y"]
    made = single(op, ["x"], outputs, [FLOAT, INT64, FLOAT][: len(outputs) + 1], **attributes)
    with pytest.raises(tt.UnsupportedOp, match=said):
        tt.from_onnx(made)


def test_nan_is_a_key():
    """As the definition says; ONNX Runtime takes it for one since version 4 only."""
    made = single("LabelEncoder", ["x"], ["y"], [FLOAT, INT64],
                  keys_floats=[0.0, float("nan")], values_int64s=[4, 5], default_int64=0)  # fmt: skip
    (found,) = ours(made, MISSING)
    assert np.array_equal(found, np.where(np.isnan(MISSING), 5, np.where(MISSING == 0, 4, 0)))


def test_a_category_that_is_none():
    made = single("OneHotEncoder", ["x"], ["y"], [INT64, FLOAT], cats_int64s=[0, 1, 2, 3], zeros=0)
    model = tt.from_onnx(made)
    assert model(WHOLE[:1]).shape == (1, 4, 4)
    with pytest.raises(tt.ShapeError, match="none of the categories"):
        model(WHOLE)


skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
pytest.importorskip("sklearn")


def models():
    from sklearn.decomposition import PCA
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler

    yield LogisticRegression()
    yield SGDClassifier(loss="log_loss", random_state=0)
    yield LinearRegression()
    yield make_pipeline(StandardScaler(), Ridge())
    yield make_pipeline(StandardScaler(), MLPClassifier(5, max_iter=20, random_state=0))
    yield make_pipeline(RobustScaler(), Normalizer(), LogisticRegression())
    yield make_pipeline(SimpleImputer(), MinMaxScaler(), PCA(3), MLPRegressor(max_iter=20, random_state=0))
    yield make_pipeline(MaxAbsScaler(), Normalizer("l1"), MLPClassifier((4, 3), "tanh", max_iter=20))


def fitted(model, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 20 iterations do not converge
        return model.fit(X, y)


def converted(model, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return skl2onnx.to_onnx(model, X[:1], target_opset=17, options=options or None)


@pytest.mark.parametrize("model", list(models()), ids=lambda model: repr(model)[:60])
def test_models(model):
    labelled = hasattr(model, "classes_") or "Classif" in repr(model) or "Logistic" in repr(model)
    fit = fitted(model, NUMBERED if labelled else X @ np.array([1, 2, 3, 4], np.float32))
    made = converted(fit, **({"zipmap": False} if labelled else {}))
    wanted, found = theirs(made, X), ours(made, X)
    for a, b in zip(found, wanted, strict=True):
        if b.dtype.kind == "f":
            close(a, b)
        else:
            assert np.array_equal(a, b)


def test_names_of_classes_are_positions_and_dictionaries_are_columns():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    for model in (LogisticRegression(), MLPClassifier(5, max_iter=20, random_state=0)):
        made = converted(fitted(model, NAMED))
        wanted = theirs(made, X)
        listed = "['setosa', 'versicolor', 'virginica']"
        labels, columns = ours(made, X, f"columns {listed}", f"positions in {listed}")
        assert np.array_equal(model.classes_[labels], wanted[0])
        assert columns.shape == (len(X), 3)
        close(columns, np.array([[row[c] for c in model.classes_] for row in wanted[1]], np.float32))
