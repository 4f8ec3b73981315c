"""What every command owes to a terminal; what each command does is in tests/commands/."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest

import tinytensor
from tinytensor import cli
from tinytensor.commands import mnist
from tinytensor.commands.group import COMMANDS


@pytest.fixture
def command(monkeypatch):
    """Let `tinytensor mnist` run the function given."""
    return lambda run: monkeypatch.setattr(mnist.command, "callback", lambda **arguments: run(arguments))


def exit_status(*arguments):
    try:
        return cli.main(arguments)
    except SystemExit as exited:
        return exited.code


def test_help_names_every_command(capsys):
    assert exit_status("--help") == 0
    out, err = capsys.readouterr()
    assert all(f"  {name} " in out for name in COMMANDS)
    assert "..." not in out.partition("Commands:")[2]  # what is longer than a line, click cuts
    assert err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys, name):
    assert exit_status(name, "--help") == 0
    assert f"Usage: tinytensor {name} " in capsys.readouterr().out


def test_version(capsys):
    assert exit_status("--version") == 0
    assert capsys.readouterr().out == f"tinytensor {tinytensor.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nist"], "tinytensor: no command 'nist'"),
        (["--verbose"], "tinytensor: no option --verbose"),
        (["mnist", "--lim", "3"], "tinytensor mnist: no option --lim"),
        (["mnist", "extra"], "tinytensor mnist: got unexpected extra argument (extra)"),
        (["mnist", "--limit"], "tinytensor mnist: option '--limit' requires an argument"),
        (["inspect"], "tinytensor inspect: missing argument 'FILE'"),
        (["mnist", "--limit", "0"], "tinytensor mnist: invalid value for '--limit': expected a whole number"),
        (["summary", "m", "--shape", "2,a"], "tinytensor summary: invalid value for '--shape': expected"),
    ],
    ids=["no command", "no option", "abbreviated", "too many", "without value", "too few", "0", "no shape"],
)
def test_a_bad_argument_is_one_line_and_status_2(capsys, arguments, message):
    assert exit_status(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert "--help" in err


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["nist"], "mnist"),
        (["Inspect", "m"], "inspect"),
        (["mnist", "--lim", "3"], "--limit"),
        (["mnist", "--batchsize=3"], "--batch-size"),
        (["mnist", "--split", "smple"], "sample"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_misspelt_command_or_option_says_what_was_meant(capsys, arguments, meant):
    assert exit_status(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"; did you mean {meant}?; see tinytensor" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["banana"], ["mnist", "--banana"]], ids=" ".join)
def test_what_is_like_nothing_gets_no_guess(capsys, arguments):
    assert exit_status(*arguments) == 2
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["\x1b[31mred"], ["inspect", "\x1b[31mred"], ["mnist", "--\x1b[31mred"]]
)
def test_no_escape_sequence_reaches_the_terminal(capsys, arguments):
    assert exit_status(*arguments) == 2
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\\x1b[31mred" in err


def test_without_arguments_the_help_is_on_stderr(capsys):
    assert exit_status() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: tinytensor ")


def test_without_click_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "click", None)
    assert exit_status("mnist") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == 'tinytensor: click is not installed; it comes with: pip install "tinytensor-nn[cli]"\n'


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("tinytensor in", ["plain,inspect"]),
        ("tinytensor mnist --s", ["plain,--split"]),
        ("tinytensor mnist --split ", ["plain,test", "plain,sample"]),
        ("tinytensor summary mn", ["plain,mnist_cnn", "plain,mnist_mlp", "file,mn"]),
    ],
)
def test_words_are_completed(capfdbinary, monkeypatch, line, completed):
    monkeypatch.setenv("_TINYTENSOR_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert exit_status() == 0
    assert capfdbinary.readouterr().out.decode().split() == completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(capfdbinary, monkeypatch, shell):
    monkeypatch.setenv("_TINYTENSOR_COMPLETE", f"{shell}_source")
    assert exit_status() == 0
    assert b"_TINYTENSOR_COMPLETE" in capfdbinary.readouterr().out


def test_the_lines_of_an_error_stay_lines(capsys, command):
    def fail(args):
        raise tinytensor.ArgumentError("two things:\n  \x07one\n  two")

    command(fail)
    assert exit_status("mnist") == 2
    assert capsys.readouterr().err == "tinytensor mnist: two things:\n  \\x07one\n  two\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (tinytensor.ShapeError("expected this, got that"), "expected this, got that"),
        (tinytensor.DatasetError("digits.gz: damaged"), "digits.gz: damaged"),
        (FileNotFoundError(2, "No such file or directory", "a.txt"), "a.txt: No such file or directory"),
        (FileNotFoundError(2, "No such file or directory", ""), "'': No such file or directory"),
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


def test_a_status_is_passed_on(command):
    command(lambda args: 1)
    assert exit_status("mnist") == 1


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


class Interrupted:
    """Deleting it interrupts where Python can only report it, as in what LLVM calls."""

    def __del__(self):
        raise KeyboardInterrupt


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_that_python_forgot_is_sent_once_more(capsys, command):
    def compile_for_long(args):
        Interrupted()
        for _ in range(600):  # what is sent does not end a sleep
            time.sleep(0.1)

    command(compile_for_long)
    assert exit_status("mnist") == 130
    assert capsys.readouterr() == ("", "")


def test_what_fails_for_an_interrupt_that_python_forgot_is_the_interrupt(capsys, command):
    def compile_and_fail(args):
        Interrupted()
        raise RuntimeError("no compiled object yet")

    command(compile_and_fail)
    assert exit_status("mnist") == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(os.name != "posix", reason="closes descriptors as a shell does")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["mnist", "--split", "sample", "--limit", "3"]], ids=" ".join
)
@pytest.mark.parametrize("closed", [(1,), (1, 2)], ids=str)
def test_a_closed_stdout_is_no_mistake(arguments, closed):
    done = subprocess.run(
        [sys.executable, "-m", "tinytensor", *arguments],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: [os.close(each) for each in closed],
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(os.name != "posix", reason="closes descriptors as a shell does")
def test_with_stderr_closed_errors_do_not_land_on_stdout():
    done = subprocess.run(
        [sys.executable, "-m", "tinytensor", "mnist", "--data", "nowhere"],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.close(2),
    )
    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "10 us -> \\xf6 \\u4e2d"), ("latin-1", "10 µs -> ö \\u4e2d"), ("utf-8", "10 µs → ö 中")],
)
def test_a_terminal_without_a_character_gets_another(monkeypatch, command, encoding, shown):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding))

    def show(args):
        print("10 µs → ö 中")
        raise tinytensor.ArgumentError("10 µs → ö 中")

    command(show)
    assert exit_status("mnist") == 2
    sys.stderr.flush()
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in (sys.stdout, sys.stderr))
    assert out.splitlines() == [shown]
    assert err.splitlines() == [f"tinytensor mnist: {shown}"]
    assert sys.stdout.errors == "strict"


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
