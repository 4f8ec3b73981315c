"""The page's server: what it answers, and what it refuses."""

import itertools

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx2")
from starlette.testclient import TestClient

import tinytensor as tt
from tinytensor.serve.app import MOST_MODELS, application
from tinytensor.serve.guard import POLICY
from tinytensor.serve.reader import SIDE, Reader

BYTES = {"content-type": "application/octet-stream"}
ADDRESS = "http://127.0.0.1:8000"
IMAGES, LABELS = tt.datasets.mnist("sample")


def drawn(image):
    """A digit as the page sends it."""
    return image.repeat(4, axis=0).repeat(4, axis=1).tobytes()


@pytest.fixture(scope="module")
def models():
    return {"mnist_mlp": tt.models.mnist_mlp()}


@pytest.fixture
def client(models):
    return TestClient(application(models), base_url=ADDRESS)


def test_the_page_and_its_files_come_from_here_alone(client):
    for path, kind in (("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "http://" not in answer.text
        assert "https://" not in answer.text


def test_a_digit_is_read(client):
    found = client.post("/api/read", content=drawn(IMAGES[3]), headers=BYTES).json()
    assert int(np.argmax(found["probabilities"])) == 3
    assert len(found["seen"]) == 784
    assert found["microseconds"] > 0
    model = tt.models.mnist_mlp()
    seen = np.array(found["seen"], np.uint8).reshape(1, 28, 28)
    outputs = model.outputs(seen)
    assert [layer["name"] for layer in found["layers"]] == list(outputs)
    for layer, y in zip(found["layers"], outputs.values(), strict=True):
        assert layer["shape"] == list(y.shape[1:])
        assert np.abs(np.array(layer["values"]) - y.numpy()[0]).max() <= 0.5e-5 + 1e-7


def test_the_time_is_in_microseconds(client, monkeypatch):
    moments = itertools.count(0, 2_345_600)
    monkeypatch.setattr("tinytensor.serve.reader.time.perf_counter_ns", lambda: next(moments))
    found = client.post("/api/read", content=drawn(IMAGES[3]), headers=BYTES).json()
    assert found["microseconds"] % 2345.6 == 0
    assert found["microseconds"] > 0


def test_real_digits_are_read_as_well_as_their_centred_images(models):
    reader = Reader(models["mnist_mlp"])
    some = slice(0, 1000, 5)
    read = [
        int(
            np.argmax(reader.read(np.frombuffer(drawn(image), np.uint8).reshape(SIDE, SIDE))["probabilities"])
        )
        for image in IMAGES[some]
    ]
    assert (np.array(read) == LABELS[some]).sum() >= 192  # of 200; of the 1,000 as they are 986


def test_nothing_drawn(client):
    found = client.post("/api/read", content=bytes(SIDE * SIDE), headers=BYTES).json()
    assert not any(found["seen"])


def test_a_linear_layer_is_explained_with_its_largest_terms(client, models):
    model = models["mnist_mlp"]
    at = next(i for i, layer in enumerate(model) if isinstance(layer, tt.Linear))
    name = list(model.children())[at]
    parameters = {"layer": name, "unit": "7"}
    found = client.post("/api/explain", params=parameters, content=drawn(IMAGES[3]), headers=BYTES).json()
    seen = client.post("/api/read", content=drawn(IMAGES[3]), headers=BYTES).json()["seen"]
    x = np.array(seen, np.float64) / 255
    products = model[at].weight.numpy()[7] * x
    assert [term["input"] for term in found["terms"]] == np.argsort(-np.abs(products))[:8].tolist()
    bias = float(model[at].bias.numpy()[7])
    assert number(found["result"]) == pytest.approx(products.sum() + bias, rel=1e-3)  # four digits are shown
    total = sum(number(term["product"]) for term in found["terms"])
    assert total + number(found["others"]) + number(found["bias"]) == pytest.approx(
        number(found["result"]), abs=1e-2
    )


def number(text):
    return float(text.replace("−", "-"))


def test_every_layer_is_explained(client, models):
    for name in models["mnist_mlp"].children():
        found = client.post("/api/explain", params={"layer": name}, content=drawn(IMAGES[0]), headers=BYTES)
        assert found.status_code == 200
        assert found.json()["formula"]


def test_samples(client):
    found = client.get("/api/sample", params={"number": "4"}).json()
    assert found == {"pixels": IMAGES[4].ravel().tolist(), "label": 4}
    for number in ("1000", "-1", "x", "²", "1" * 5000):
        assert client.get("/api/sample", params={"number": number}).status_code == 400


def test_a_model_of_the_users(client, tmp_path):
    tt.Sequential(tt.Linear(784, 10, seed=0), tt.softmax).save(tmp_path / "mine.npz")
    content = (tmp_path / "mine.npz").read_bytes()
    answer = client.post("/api/load", params={"name": "mine.npz"}, content=content, headers=BYTES)
    assert answer.json() == {"name": "mine.npz"}
    assert client.get("/api/models").json() == {"models": ["mnist_mlp", "mine.npz"]}
    found = client.post("/api/read", params={"model": "mine.npz"}, content=drawn(IMAGES[0]), headers=BYTES)
    assert len(found.json()["probabilities"]) == 10
    for _ in range(MOST_MODELS - 1):
        assert client.post("/api/load", content=content, headers=BYTES).status_code == 200
    assert "loaded already" in client.post("/api/load", content=content, headers=BYTES).json()["error"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b.npz", "\x1b[31m", "<b>.npz", "", "x" * 9999])
def test_what_is_no_model_is_refused_whatever_its_name(client, name):
    answer = client.post("/api/load", params={"name": name}, content=b"none", headers=BYTES)
    assert answer.status_code == 400
    assert "no model" in answer.json()["error"]
    assert client.get("/api/models").json() == {"models": ["mnist_mlp"]}


def test_models_that_take_something_else_are_refused(client, tmp_path):
    for layer, said in ((tt.Linear(100, 10), "expected (batch, 100)"), (tt.Linear(784, 3), "(n, 10)")):
        tt.Sequential(layer).save(tmp_path / "m.npz")
        content = (tmp_path / "m.npz").read_bytes()
        answer = client.post("/api/load", content=content, headers=BYTES)
        assert answer.status_code == 400
        assert said in answer.json()["error"]


@pytest.mark.parametrize("size", [0, 1, SIDE * SIDE - 1])
def test_malformed_drawings(client, size):
    answer = client.post("/api/read", content=bytes(size), headers=BYTES)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_bodies_that_are_too_long_are_refused(client, monkeypatch):
    assert client.post("/api/read", content=bytes(SIDE * SIDE + 1), headers=BYTES).status_code == 413
    monkeypatch.setattr("tinytensor.serve.app.MOST_MODEL_BYTES", 100)
    assert client.post("/api/load", content=bytes(101), headers=BYTES).status_code == 413


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("/api/read", {"model": "banana"}),
        ("/api/explain", {"layer": "banana"}),
        ("/api/explain", {}),
        ("/api/explain", {"layer": "0", "unit": "-1"}),
        ("/api/explain", {"layer": "0", "unit": "99999999"}),
        ("/api/explain", {"layer": "0", "unit": "9" * 5000}),
    ],
)
def test_wrong_parameters(client, path, parameters):
    answer = client.post(path, params=parameters, content=drawn(IMAGES[0]), headers=BYTES)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://example.org"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "https://127.0.0.1:8000"},
        {"host": "example.org"},
        {"host": "127.0.0.1.example.org"},
        {"host": "192.168.0.1:8000"},
        {"host": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_foreign_requests_are_refused(client, headers):
    for answer in (
        client.get("/", headers=headers),
        client.post("/api/read", content=drawn(IMAGES[0]), headers=BYTES | headers),
    ):
        assert answer.status_code == 403
        assert answer.headers["content-security-policy"] == POLICY


def test_the_pages_own_requests_are_not(client):
    for headers in ({"origin": ADDRESS, "sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        assert client.post("/api/read", content=drawn(IMAGES[0]), headers=BYTES | headers).status_code == 200


def test_a_form_of_another_page_cannot_post(client):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = client.post("/api/read", content=drawn(IMAGES[0]), headers={"content-type": kind})
        assert answer.status_code == 415


def test_other_methods_and_paths(client):
    assert client.get("/api/read").status_code == 405
    assert client.get("/../pyproject.toml").status_code == 404
    assert client.get("/reader.py").status_code == 404
