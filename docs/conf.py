"""Sphinx's configuration: `sphinx-build -W docs docs/_build`."""

import re
import sys
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike, DTypeLike
from sphinx.util.typing import stringify_annotation

import tinytensor

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "extensions")]

project = "tinytensor"
author = "The tinytensor authors"
copyright = author
version = release = tinytensor.__version__

extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode",
    "sphinx_codeautolink", "sphinx_copybutton", "sphinx_design",
    "mathematics", "names", "checks",  # in docs/extensions
]  # fmt: skip
myst_enable_extensions = ["dollarmath", "amsmath", "deflist", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_math_renderer = "ziamath"
codeautolink_global_preface = "import tinytensor as tt"
codeautolink_concat_default = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"tinytensor {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "exclude-members": "scalar"}  # it says what its class says
napoleon_google_docstring = True
napoleon_numpy_docstring = False

QUOTED = re.compile(r"(`+[^`]+`+)")
UNIONS = {
    stringify_annotation(union, "smart").removesuffix(" | None"): name
    for union, name in ((ArrayLike, "ArrayLike"), (DTypeLike, "DTypeLike"))
}


def as_restructured_text(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are prose: |x|, x_i and * mean themselves, and `code` is code."""
    example = False
    for i, line in enumerate(lines):
        lines[i] = line = line.partition("  # doctest:")[0]
        example = line.lstrip().startswith((">>>", "...")) or (example and bool(line.strip()))
        if not example:
            parts = QUOTED.split(line)
            lines[i] = "".join(
                f"``{part.strip('`')}``" if quoted else re.sub(r"([|*\\]|_(?!\w))", r"\\\1", part)
                for part, quoted in zip(parts, (j % 2 for j in range(len(parts))), strict=True)
            )


def with_names_of_unions(
    app: Any, what: str, name: str, obj: Any, options: Any, arguments: str | None, result: str | None
) -> tuple[str | None, str | None]:
    """NumPy's names for what it takes, which is ten types each."""
    for union, short in UNIONS.items():
        arguments = arguments and arguments.replace(union, short)
    return arguments, result


def draw_pictures(app: Any) -> None:
    """The pictures of this version, before the pages are read that show them."""
    from draw import pictures_of_the_site

    pictures_of_the_site(HERE / "pictures" / "drawn")


def setup(app: Any) -> None:
    """Docstrings come here before Napoleon gets them, which listens at 500."""
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)
    app.connect("autodoc-process-signature", with_names_of_unions)
    app.connect("builder-inited", draw_pictures)
