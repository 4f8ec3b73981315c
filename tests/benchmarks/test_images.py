"""The networks of images: their references, every peer's answer, and the tables from made-up times."""

import numpy as np
import pytest

import tinytensor as tt
from benchmarks import charts, image_peers, images
from benchmarks import image_networks as networks
from benchmarks.case import Effort, Result
from benchmarks.image_charts import CHARTS
from benchmarks.interleave import measured
from benchmarks.peers import PEERS, absent
from benchmarks.record import Run
from benchmarks.suites import SUITES
from benchmarks.suites import images as suites

NETWORKS = [(suite, name) for suite, names in images.NAMES.items() for name in names]


@pytest.fixture(autouse=True)
def threads_as_before():
    """A side of a benchmark sets the number of threads, here in the process of the tests."""
    yield
    tt.set_num_threads(None)


def need(name):
    if networks.missing(name):
        pytest.skip(networks.missing(name))


@pytest.mark.parametrize("peer", list(image_peers.ADAPTERS))
@pytest.mark.parametrize(("suite", "name"), NETWORKS)
def test_every_peer_answers_within_the_bound(suite, name, peer):
    need(name)
    case = suites.case(suite, name, 3, 1)
    if not SUITES[suite].takes(PEERS[peer], case):
        assert suite == "tiny"
        return
    if absent(PEERS[peer]):
        pytest.skip(absent(PEERS[peer]))
    facts = SUITES[suite].prepare(PEERS[peer], case).facts
    assert facts["rows"] == 3
    assert facts["flop"] == 3 * networks.work(name)[0]


@pytest.mark.parametrize(("suite", "name"), NETWORKS)
def test_a_wrong_answer_is_found(suite, name):
    need(name)
    x = networks.images(name, 3)
    right = image_peers.tinytensor(name, x, 1)().copy()
    networks.check(name, x, right)
    coarse = (right.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    with pytest.raises(ArithmeticError, match="wrong answer: off by"):
        networks.check(name, x, coarse)
    with pytest.raises(ArithmeticError, match="for 3 images"):
        networks.check(name, x, right[:2])


def test_the_reference_is_that_of_plain_loops():
    rng = np.random.default_rng(0)
    layer = networks.Conv(rng.standard_normal((2, 3, 3, 3)), rng.standard_normal(2), 2, 1)
    x = rng.standard_normal((1, 3, 6, 5))
    seen = networks.columns(x, layer)
    padded = np.zeros((3, 8, 7))
    padded[:, 1:-1, 1:-1] = x[0]
    for i in range(3):
        for j in range(3):
            assert seen[0, i, j].tolist() == padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3].ravel().tolist()
    assert seen.shape == (1, 3, 3, 27)
    square = np.arange(25.0).reshape(1, 1, 5, 5)
    assert networks.pooled(square, 2).tolist() == [[[[6, 8], [16, 18]]]]


def test_the_work_of_a_network_is_two_operations_a_weight_and_position():
    first, second = 2 * 1024 * 9 * 32 * 64, 2 * 1024 * 9 * 64 * 64
    assert networks.work("3×3 stack") == (first + second, 9 * 32 * 64 + 64 + 9 * 64 * 64 + 64)
    assert networks.shapes("mnist_cnn")[-2:] == [(64, 2, 2), (10,)]


def run(*results):
    made = Run("", [], False, "0", "abc", "", {}, {}, {}, {}, {"1": {"peak_gflops": 100.0}})
    made.results = list(results)
    return made


def result(case, peer, values, failed=None):
    facts = {"rows": case.settings["rows"], "flop": 1e9, "peak": 5e7}
    return Result(case.suite, case.group, case.label, 1, peer, case.settings, "s", values, facts, failed)


def test_the_table_has_the_ratio_to_each_peer():
    case, other = suites.case("cnn", "mnist_cnn", 10, 1), suites.case("cnn", "SimpleConvNet", 1, 1)
    made = run(
        result(case, "tinytensor", [0.02] * 3),
        result(case, "JAX", [0.04] * 3),
        result(case, "LiteRT", [0.03] * 3),
        result(other, "tinytensor", [0.02] * 3),
        result(other, "JAX", [], "crashed"),
    )
    table, memory, failures = images.overviews(made)
    assert table.rows == [
        ["SimpleConvNet, 1", "20,000", "50%", "failed", ""],
        ["mnist_cnn, 10", "2,000", "50%", "2.00×", "*1.50×"],
    ]
    assert memory.head == ["network", "tinytensor", "JAX", "LiteRT"]
    assert ["mnist_cnn, batch 10", "50 MB", "50 MB", "50 MB"] in memory.rows
    assert failures.rows == [["cnn", "JAX", "crashed", "1"]]


def test_a_process_of_its_own_measures_a_case():
    case = suites.case("cnn", "mnist_cnn", 2, 1)
    (found,) = measured(
        [(SUITES["cnn"], [case])], [PEERS["tinytensor"]], Effort(1, 1e-4), lambda case, peer: None
    )
    assert not found.failed
    assert len(found.values) == 1


def test_images_of_a_memory_map_need_little_memory():
    need("vww")
    own, resident, _ = images.stream(200)
    assert own <= min(images.LIMIT, resident)


@pytest.mark.parametrize("quick", [False, True])
def test_every_network_has_its_cases_with_ascending_batches(quick):
    most = {"mnist_cnn": 1_000, "3×3 stack": 100 if quick else 1_000}
    for name, largest in most.items():
        counts = [
            case.settings["rows"]
            for case in SUITES["cnn"].cases(quick, [1])
            if case.settings["network"] == name
        ]
        assert counts == [count for count in (1, 10, 100, 1_000) if count <= largest]


def test_a_mistake_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.command.roofs", lambda threads: {})
    (tmp_path / "results.json").write_text("{}")
    assert images.main(["--quick", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("python -m benchmarks.images: ")


def test_the_charts_show_every_network_that_was_measured(tmp_path):
    pytest.importorskip("matplotlib")
    case = suites.case("cnn", "mnist_cnn", 10, 1)
    made = run(result(case, "tinytensor", [0.02] * 3), result(case, "JAX", [0.04] * 3))
    assert charts.draw(made, tmp_path, CHARTS).keys() == {"image_ratios.png"}  # no roof was measured
    made.roofline["1"]["copy_gb_per_second"] = 10.0
    for each in made.results:
        each.facts["bytes"] = 1e8
    assert charts.draw(made, tmp_path, CHARTS).keys() == CHARTS.keys()
    assert {each.name for each in tmp_path.iterdir()} == CHARTS.keys()
