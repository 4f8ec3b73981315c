"""What every command owes to a terminal; what each command does is in tests/commands/."""

import os
import signal
import subprocess
import sys

import pytest

import tinytensor
from tinytensor import cli


@pytest.fixture
def command(monkeypatch):
    """Let `tinytensor mnist` run the function given."""
    return lambda run: monkeypatch.setattr("tinytensor.commands.mnist.run", run)


def exit_status(*arguments):
    try:
        return cli.main(arguments)
    except SystemExit as exited:
        return exited.code


def test_help_names_every_command(capsys):
    assert exit_status("--help") == 0
    out, err = capsys.readouterr()
    assert all(f"    {name} " in out for name in cli.COMMANDS)
    assert err == ""


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(capsys, name):
    assert exit_status(name, "--help") == 0
    assert f"usage: tinytensor {name}" in capsys.readouterr().out


def test_version(capsys):
    assert exit_status("--version") == 0
    assert capsys.readouterr().out == f"tinytensor {tinytensor.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "tinytensor: the following arguments are required: COMMAND"),
        (["nist"], "tinytensor: argument COMMAND: invalid choice: 'nist'"),
        (["--verbose"], "tinytensor: "),
        (["mnist", "--lim", "3"], "tinytensor: unrecognized arguments: --lim 3"),
        (["mnist", "extra"], "tinytensor: unrecognized arguments: extra"),
        (["mnist", "--limit"], "tinytensor mnist: argument --limit: expected one argument"),
    ],
    ids=["nothing", "no command", "no option", "abbreviated", "one too many", "without value"],
)
def test_a_bad_argument_is_one_line_and_status_2(capsys, arguments, message):
    assert exit_status(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert "--help" in err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (tinytensor.ShapeError("expected this, got that"), "expected this, got that"),
        (tinytensor.DatasetError("digits.gz: damaged"), "digits.gz: damaged"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), "a.txt: No such file or directory"),
        (OSError("disk full"), "disk full"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_mistake_is_one_line_and_status_2(capsys, command, error, message):
    def fail(args):
        raise error

    command(fail)
    assert exit_status("mnist") == 2
    assert capsys.readouterr() == ("", f"tinytensor mnist: {message}\n")


def test_a_bug_is_not_hidden(command):
    command(lambda args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        exit_status("mnist")


@pytest.fixture
def interruptible():
    """Ctrl-C interrupts, even where a shell started the tests in the background, for which it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_quietly(capsys, command):
    command(lambda args: signal.raise_signal(signal.SIGINT))
    assert exit_status("mnist") == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(os.name != "posix", reason="a closed pipe is another error elsewhere")
@pytest.mark.parametrize("arguments", [["--help"], ["mnist", "--split", "sample"]], ids=" ".join)
def test_a_closed_pipe_ends_quietly(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tinytensor", *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
