"""`python -m benchmarks` from end to end, on one suite with few peers."""

import json
import sys

import pytest

from benchmarks import command, machine
from benchmarks.record import SCHEMA, load
from benchmarks.suites import SUITES

jsonschema = pytest.importorskip("jsonschema")
pytest.importorskip("rich")
pytest.importorskip("matplotlib")

CHARTS = ("throughput.png", "ratios.png", "roofline.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A quick run."""
    out = tmp_path_factory.mktemp("run")
    assert command.main(["mnist", "--quick", "--peers", "numpy", "--threads", "1", "--out", str(out)]) == 0
    return out


def test_results_fit_the_schema(folder):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    written = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    jsonschema.validate(written, schema)
    assert {r["peer"] for r in written["results"]} == {"tinytensor", "NumPy"}
    assert not any(r["failed"] for r in written["results"])
    assert written["roofline"]["1"]["peak_gflops"] > 1


def test_a_run_is_read_as_it_was_written(folder):
    run = load(folder)
    assert run.suites() == ["mnist"]
    assert run.command[:3] == ["python", "-m", "benchmarks"]
    assert all(len(result.values) == 3 for result in run.results)


def test_the_report_has_tables_and_charts(folder):
    page = (folder / "report.md").read_text(encoding="utf-8")
    assert "| tinytensor |" in page
    assert "784-50-100-10, real digits as float32, 1 thread" in page
    for name in CHARTS:
        assert f"({name})" in page
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_report_redraws(folder, tmp_path, capsys):
    (tmp_path / "results.json").write_bytes((folder / "results.json").read_bytes())
    assert command.main(["report", str(tmp_path)]) == 0
    assert (tmp_path / "report.md").read_bytes() == (folder / "report.md").read_bytes()
    assert "fastest other peer" in capsys.readouterr().out


def test_without_arguments_it_lists_the_suites(capsys):
    assert command.main([]) == 0
    out = capsys.readouterr().out
    assert all(f"{name} " in out for name in [*SUITES, "all"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "nowhere"], "nowhere: expected a folder with results.json"),
        (["mnist", "--peers", "numpy,theano"], "--peers: no theano; there are tinytensor, NumPy"),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_a_mistake_is_one_line_and_status_2(arguments, message, capsys):
    assert command.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"python -m benchmarks: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("threads", ["0", "1,", "two", "-1"])
def test_threads_are_numbers_from_1(threads, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["mnist", f"--threads={threads}"])
    assert "expected numbers from 1" in capsys.readouterr().err


def test_more_threads_than_cores_are_refused(capsys):
    most = machine.usable_cores()
    assert command.threads_list(f"{most}") == [most]
    with pytest.raises(SystemExit, match="2"):
        command.main(["mnist", "--threads", f"1,{most + 1}"])
    out, err = capsys.readouterr()
    assert f"expected numbers from 1 to {most}, this machine's cores" in err
    assert (out, err.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 99, "results": []}', '{"format": 1, "results": 3}']
)
def test_a_file_of_something_else(text, tmp_path, capsys):
    (tmp_path / "results.json").write_text(text)
    assert command.main(["report", str(tmp_path)]) == 2
    assert "results.json" in capsys.readouterr().err


def test_absent_peers_are_named_and_left_out(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "jax" else sys)
    taking, left_out = command.chosen_peers(None, quick=True)
    assert left_out["JAX"] == "jax not installed"
    assert "name it in --peers" in left_out["PyTorch compiled"]
    assert "JAX" not in [peer.name for peer in taking]
    assert command.chosen_peers("PyTorch Compiled", quick=True)[1] == {}


def test_a_run_that_stopped_goes_on(folder, tmp_path, monkeypatch):
    from benchmarks import interleave

    begun = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    cases = {(r["group"], r["label"]) for r in begun["results"]}
    missing = sorted(cases)[0]
    begun["results"] = [r for r in begun["results"] if (r["group"], r["label"]) != missing]
    (tmp_path / "results.json").write_text(json.dumps(begun), encoding="utf-8")
    measured_now, one_case = [], interleave.one_case

    def counted(case, *arguments):
        measured_now.append((case.group, case.label))
        return one_case(case, *arguments)

    monkeypatch.setattr(interleave, "one_case", counted)
    monkeypatch.setattr(command, "roofs", lambda threads: begun["roofline"])
    arguments = ["mnist", "--quick", "--peers", "numpy", "--threads", "1", "--out", str(tmp_path)]
    assert command.main(arguments) == 0
    assert measured_now == [missing]
    assert {(r.group, r.label) for r in load(tmp_path).results} == cases


def test_a_folder_of_another_run_is_refused(folder, capsys):
    before = (folder / "results.json").read_bytes()
    arguments = ["mnist", "--quick", "--peers", "numpy", "--threads", "1", "--out", str(folder)]
    assert command.main([*arguments[:3], "numpy, course's loop", *arguments[4:]]) == 2
    err = capsys.readouterr().err
    assert "it holds a run whose command is" in err
    assert "name another folder" in err
    assert (folder / "results.json").read_bytes() == before


def test_what_was_measured_before_ctrl_c_is_reported(tmp_path, monkeypatch):
    from benchmarks import interleave

    one_case = interleave.one_case
    cases = []

    def interrupted(case, *arguments):
        if cases:
            raise KeyboardInterrupt
        cases.append(case)
        return one_case(case, *arguments)

    monkeypatch.setattr(interleave, "one_case", interrupted)
    assert command.main(["mnist", "--quick", "--peers", "numpy", "--out", str(tmp_path)]) == 0
    assert {result.label for result in load(tmp_path).results} == {cases[0].label}
