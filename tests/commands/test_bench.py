"""`tinytensor bench` is `python -m benchmarks`, where there is a checkout."""

from benchmarks import command
from tinytensor import cli
from tinytensor.commands import bench


def test_it_lists_the_suites(capsys):
    assert cli.main(["bench"]) == 0
    mine = capsys.readouterr().out
    command.main([])
    assert mine == capsys.readouterr().out


def test_a_status_is_passed_on(monkeypatch):
    monkeypatch.setattr(command, "list_suites", lambda args: 1)
    assert cli.main(["bench"]) == 1


def test_mistakes_are_one_line(capsys):
    assert cli.main(["bench", "report", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith("tinytensor bench")


def test_without_a_checkout_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert cli.main(["bench", "mnist", "--quick"]) == 2
    assert capsys.readouterr().err.startswith("tinytensor bench: the suites come with a checkout")


def test_without_what_the_suites_need_it_names_the_extra(monkeypatch, capsys):
    def missing(parser):
        raise ModuleNotFoundError("No module named 'scipy'")

    monkeypatch.setattr(command, "add_arguments", missing)
    assert cli.main(["bench"]) == 2
    assert "No module named 'scipy'; it comes with: pip install" in capsys.readouterr().err


def test_other_commands_do_not_need_the_suites(monkeypatch, capsys):
    monkeypatch.setattr(bench, "suites", None)
    assert cli.main(["convert", "nowhere", "x.npz"]) == 2
    assert "nowhere" in capsys.readouterr().err
