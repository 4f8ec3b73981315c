"""The table of the engine's promised figures, from made-up times; and small cases of its suites."""

import pytest

from benchmarks import command, rows
from benchmarks.case import Effort, Result
from benchmarks.interleave import measured
from benchmarks.networks import CHAPTER, LARGE
from benchmarks.peers import PEERS
from benchmarks.record import Run
from benchmarks.suites import matmul, mnist, peak, threads

OURS = PEERS["tinytensor"]


def result(case, peer, values, failed=None):
    return Result(case.suite, case.group, case.label, case.threads, peer, {}, values=values, failed=failed)


def run(*results):
    made = Run("", [], False, "0", "abc", "", {}, {}, {}, {}, {})
    made.results = list(results)
    return made


def digits(count, times):
    case = mnist.case("mnist", CHAPTER, "digits", count, 1)
    return [result(case, peer, values) for peer, values in times.items()]


def test_a_promise_is_judged_against_the_fastest_peer():
    kept = digits(1, {"tinytensor": [1.0] * 5, "NumPy": [9.0] * 5, "LiteRT": [4.0] * 5})
    missed = digits(10, {"tinytensor": [1.0] * 5, "NumPy": [2.0, 2.2, 2.4, 2.3, 2.1], "LiteRT": [4.0] * 5})
    table = rows.numbers(run(*kept, *missed))
    assert table.head[1:] == ["batch 1", "batch 10", "batch 100", "batch 1,000", "batch 10,000"]
    assert table.rows[0] == [
        "784-50-100-10, real digits as float32",
        "4.00 (4.00–4.00) LiteRT",
        "2.20 (2.10–2.30) NumPy, missed: ≥ 2.5",
        *[""] * 3,
    ]


def test_a_peer_that_failed_is_not_the_fastest_and_ours_that_failed_is_said():
    case = mnist.case("mnist", CHAPTER, "digits", 1, 1)
    theirs = [result(case, "NumPy", [4.0]), result(case, "JAX", [], failed="crashed")]
    found = rows.numbers(run(result(case, "tinytensor", [1.0]), *theirs))
    assert found.rows[0][1] == "4.00 (4.00–4.00) NumPy"
    assert rows.numbers(run(result(case, "tinytensor", [], "crashed"), *theirs)).rows[0][1] == "failed"


@pytest.mark.parametrize(
    ("count", "one", "expected"),
    [(100, 1.0, "1.00 (1.00–1.00)"), (100, 0.9, "0.90 (0.90–0.90), missed: ≥ 1"),
     (1_000, 1.9, "1.90 (1.90–1.90)"), (1_000, 1.8, "1.80 (1.80–1.80), missed: ≥ 1.85")],
)  # fmt: skip
def test_two_threads_gain_with_many_rows_and_never_lose(count, one, expected):
    case = mnist.case("threads", CHAPTER, "digits", count, 2)
    made = run(result(case, "tinytensor", [1.0] * 3), result(case, threads.ONE.name, [one] * 3))
    (row,) = rows.two_threads(made).rows
    assert [cell for cell in row[1:] if cell] == [expected]
    assert row[1 + mnist.BATCHES.index(count)] == expected


def test_products_have_their_mean_and_their_slowest_shape():
    shapes = [case for case in matmul.cases(False, [1]) if case.group == "tall, float32"][:2]
    made = run(
        *(result(case, "tinytensor", [1.0]) for case in shapes),
        *(result(case, "NumPy", [value]) for case, value in zip(shapes, (4.0, 0.25), strict=True)),
    )
    both = [("≥ 1", "1.00", "kept"), ("≥ 0.8", "0.25", "missed")]
    assert [tuple(row[1:]) for row in rows.products(made)] == 2 * both
    assert rows.products(made)[1][0] == f"A @ B, all shapes, 1 thread: slowest, {shapes[1].label}"


def test_the_share_of_the_rate_without_loads():
    case = mnist.case("peak", LARGE, "dense", 1_000, 1)
    made = run(result(case, "tinytensor", [1.0] * 3), result(case, peak.LOOP.name, [0.96] * 3))
    (row,) = rows.share_of_fma(made)
    assert row[1:] == ["≥ 0.95", "0.960 (0.960–0.960)", "kept"]


@pytest.mark.parametrize("quick", [False, True])
def test_every_promise_has_its_case(quick):
    cases = [case for _, plan in rows.plans(quick) for _, some in plan for case in some]
    keys = [case.key for case in cases]
    assert len(keys) == len(set(keys))
    assert {case.key for case in rows.nets(1)} <= set(keys)
    assert {case.suite for case in cases} >= {"mnist", "peak", "matmul"}
    assert all(len(bounds) == len(mnist.BATCHES) for bounds in rows.PROMISED.values())
    kinds = {case.group.partition(",")[0] for case in cases if case.suite == "matmul"}
    assert kinds == {"squares", "skinny", "tall", "few columns"}


def test_the_loop_does_as_many_operations_as_the_network(monkeypatch):
    steps = []
    monkeypatch.setattr(peak, "burner", lambda lanes: steps.append)
    peak.prepare(peak.LOOP, mnist.case("peak", LARGE, "dense", 1_000, 1)).call()
    one = 2 * peak.width() * peak.CHAINS
    assert abs(steps[0] * one - 1_000 * LARGE.flop) <= one / 2


def test_the_loop_takes_part_and_two_threads_answer_as_one():
    wide, small = mnist.case("peak", LARGE, "dense", 10, 1), mnist.case("threads", CHAPTER, "digits", 10, 2)
    plan = [(peak.SUITE, [wide]), (threads.SUITE, [small])]
    found = {(r.suite, r.peer): r for r in measured(plan, [OURS], Effort(1, 1e-4), lambda case, peer: None)}
    assert {peer for _, peer in found} == {"tinytensor", "FMA loop", "tinytensor, 1 thread"}
    assert not any(each.failed for each in found.values())
    assert found["peak", "FMA loop"].facts["flop"] == found["peak", "tinytensor"].facts["flop"]


def test_a_mistake_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "roofs", lambda threads: {})
    (tmp_path / "results.json").write_text("{}")
    assert rows.main(["--quick", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("python -m benchmarks.rows: ")
