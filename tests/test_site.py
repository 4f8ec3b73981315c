"""The checks that the build of the documents makes (`docs/extensions/checks.py`)."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the documents are built with the extra docs")
sys.path.insert(0, str(Path(__file__).parents[1] / "docs" / "extensions"))
import checks

from tinytensor import contents

sys.path.pop(0)


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ('<script src="https://example.org/a.js"></script>', ".html"),
        ("<script src=//example.org/a.js></script>", ".html"),
        ('<link rel="stylesheet" href="http://example.org/a.css">', ".html"),
        ('<link href="https://example.org" rel="preconnect">', ".html"),
        ('<img alt="" src="HTTPS://example.org/a.png">', ".html"),
        ('<p style="background: url(https://example.org/a.png)">', ".html"),
        ("@font-face { src: url('https://example.org/a.woff2') }", ".css"),
        ('@import "https://example.org/a.css";', ".css"),
    ],
)
def test_what_a_browser_would_load_from_elsewhere_is_found(text, suffix):
    (address,) = checks.loaded_from_elsewhere(text, suffix)
    assert "//example.org" in address.lower()


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ('<a href="https://example.org">a link</a>', ".html"),
        ('<svg xmlns="http://www.w3.org/2000/svg"></svg>', ".html"),
        ('<link rel="canonical" href="https://example.org/">', ".html"),
        ('<script src="_static/a.js"></script><img src="data:image/png;base64,AA==">', ".html"),
        ("p { background: url(a.png) } /* https://example.org */", ".css"),
    ],
)
def test_links_and_files_of_the_site_are_not(text, suffix):
    assert checks.loaded_from_elsewhere(text, suffix) == []


def test_a_public_name_that_the_api_lacks_is_found():
    everything = {*checks.public_names(), *(f"tinytensor.Sequential.{name}" for name in ("append", "pop"))}
    missing = checks.missing_from(
        everything - {"tinytensor.Linear", "tinytensor.Affine", "tinytensor.plot.digits"}
    )
    assert {"tinytensor.Linear", "tinytensor.Affine", "tinytensor.plot.digits"} <= {*missing}
    assert "tinytensor.Sequential.insert" in missing
    assert "tinytensor.Sequential.append" not in missing
    assert {f"tinytensor.{name}" for name in contents.__all__} <= {*checks.public_names()}
