"""Every Python block of the README and the documents is run; what they say is printed is compared.

Blocks of one page share their names. A block of `>>>` lines is a doctest; of any other, a ```text block that
follows is the output.
"""

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tinytensor import __version__, contents

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")  # of files, not of the web
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def blocks(page, language):
    """(line, code, output or None) of every block in that language."""
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, found.start(2)), found[2], found[3])
        for found in BLOCK.finditer(text)
        if found[1] == language
    ]


def run_doctest(code, names, page, line):
    test = doctest.DocTestParser().get_doctest(code, {}, page.name, str(page), line)
    test.globs = names  # not the copy that it makes: what one block defines, the next one uses
    report = io.StringIO()
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.write, clear_globs=False)
    assert not result.failed, report.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "document"}
    for line, code, output in blocks(page, "python"):
        if code.startswith(">>>"):
            run_doctest(code, names, page, line)
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + code, page, "exec"), names)
        if output is not None:
            assert printed.getvalue() == output, f"{page.name}, line {line}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_no_mark_of_a_merge_is_left_in_a_page(page):
    assert not re.findall(r"^(?:<<<<<<<|=======|>>>>>>>)(?: .*)?$", page.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page(page):
    lost = [
        target
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert not lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tests_that_a_page_names_are_there(page):
    for path, name in re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def test_the_digits_of_the_quick_start():
    """The report that it shows is the one that the command prints; the speed is the machine's."""
    shown = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    _, _, shown = shown.partition("$ .venv/bin/tinytensor mnist --split sample\n")
    shown, _, _ = shown.partition("```")
    done = subprocess.run(
        [sys.executable, "-m", "tinytensor", "mnist", "--split", "sample"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    shown_lines = shown.splitlines()
    lines = done.stdout.splitlines()[: len(shown_lines)]
    speed = next(i for i, text in enumerate(shown_lines) if text.startswith("speed"))
    assert lines[speed].startswith("speed")
    del lines[speed], shown_lines[speed]
    assert lines == shown_lines


def test_the_readmes_commands_come_first():
    """.ci/run takes them from the first ```sh block, a command a line."""
    (_, code, _), *others = blocks(ROOT / "README.md", "sh")
    assert not others
    first, second = code.splitlines()
    assert first.endswith("tinytensor mnist")
    assert "pytest" in second


def test_the_readme_can_be_pasted_into_an_interpreter():
    """An empty line ends a class there, so what follows would be an error."""
    for line, code, _ in blocks(ROOT / "README.md", "python"):
        for number, (before, after) in enumerate(pairwise(code.splitlines()), line):
            assert before or not after.startswith(" "), f"README.md, line {number}"


def test_the_api_page_names_everything():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = {*re.findall(r":: tinytensor\.([A-Za-z_]\w*)", page)}
    assert sorted(set(contents.__all__) - named) == []


def test_the_changelog_knows_the_version():
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
