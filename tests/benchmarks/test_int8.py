"""The quantised networks of the benchmarks: every side's answers, and the tables of made-up times."""

import numpy as np
import pytest

import tinytensor as tt
from benchmarks import int8, int8_networks, int8_peers
from benchmarks.case import Result
from benchmarks.peers import absent
from benchmarks.suites import SUITES
from benchmarks.suites import int8 as suite

DENSE, TINY = list(int8_networks.DENSE), list(int8_networks.FILES)


@pytest.fixture(autouse=True)
def threads_as_before():
    """A side of a benchmark sets the number of threads, here in the process of the tests."""
    yield
    tt.set_num_threads(None)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer", int8_peers.PEERS, ids=lambda peer: peer.name)
def test_every_side_reads_digits(peer):
    if absent(peer):
        pytest.skip(absent(peer))
    facts = SUITES["int8"].prepare(peer, suite.case(DENSE[0], 100, 1)).facts
    assert facts["rows"] == 100
    assert facts["accuracy"] > 0.98
    assert facts["snr"] > 30


@pytest.mark.parametrize("name", TINY)
def test_ours_and_litert_give_the_same_for_a_file(name):
    if int8_networks.missing(name):
        pytest.skip(int8_networks.missing(name))
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tflite")
    ours, theirs = (
        SUITES["int8"].prepare(peer, suite.case(name, 1, 1)).facts
        for peer in (int8_peers.PEERS[0], int8_peers.PEERS[-1])
    )
    assert ours["snr"] == pytest.approx(theirs["snr"], abs=1)


def test_a_wrong_answer_is_found():
    y, _ = int8_networks.answers(DENSE[0])
    assert int8_networks.quality(DENSE[0], y)["snr"] == 200
    with pytest.raises(ArithmeticError, match="a signal to noise of"):
        int8_networks.quality(DENSE[0], y[::-1])
    with pytest.raises(ArithmeticError, match="shape"):
        int8_networks.quality(DENSE[0], y[:5])


def made(name, batch, peer, times):
    settings = {"network": name, "rows": batch}
    facts = {"rows": batch, "accuracy": 0.986, "snr": 41.0, "flop": 1.0, "bytes": 1.0}
    return Result("int8", name, f"batch {batch:,}", 1, peer, settings, values=times, facts=facts)


class Run:
    def __init__(self, results):
        self.results = results


def test_tables_of_made_up_times():
    results = [
        made(DENSE[0], 100, "tinytensor", [1e-5] * 5), made(DENSE[0], 100, "tinytensor float32", [4e-5] * 5),
        made(DENSE[0], 100, "LiteRT int8", [1.5e-5] * 5), made(TINY[0], 1, "tinytensor", [1e-5] * 5),
        made(TINY[0], 1, "LiteRT int8", [2e-5] * 5),
    ]  # fmt: skip
    speeds, promised = int8.overviews(Run(results))
    assert len(speeds.rows) == 2
    assert speeds.rows[0][1] == "0.100 (98.6%, 41 dB)"
    assert [row[-1] for row in promised.rows] == ["missed", "kept", "missed"]  # 1.5 < 2, 4 ≥ 3.5, 1 of 1 < 4
    assert np.isclose(float(promised.rows[0][2].split()[0]), 1.5)


def test_a_mistake_is_one_line(capsys):
    with pytest.raises(SystemExit):
        int8.main(["--threads", "0"])
    assert "expected numbers from 1" in capsys.readouterr().err
