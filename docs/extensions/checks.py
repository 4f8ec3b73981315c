"""Checks of the built site, as warnings: no page loads anything from elsewhere, the API is complete."""

import re
from functools import reduce
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from sphinx.util import logging

import tinytensor
from tinytensor import contents

logger = logging.getLogger(__name__)

LOADING = {
    "audio",
    "embed",
    "iframe",
    "image",
    "img",
    "input",
    "object",
    "script",
    "source",
    "track",
    "video",
}
ADDRESSES = {"data", "href", "poster", "src", "srcset", "xlink:href"}
LINKS = {
    "alternate",
    "author",
    "canonical",
    "help",
    "index",
    "license",
    "next",
    "prev",
    "search",
}  # not loaded
ELSEWHERE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", re.IGNORECASE)


class Loaded(HTMLParser):
    """Collects the addresses that a browser loads by itself, unlike the targets of links."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        loads = tag in LOADING or (tag == "link" and not set(named.get("rel", "").split()) <= LINKS)
        self.addresses += [value for name, value in named.items() if loads and name in ADDRESSES]
        self.addresses += in_styles(named.get("style", ""))


def in_styles(text: str) -> list[str]:
    return ["".join(found) for found in IN_STYLES.findall(text)]


def loaded_from_elsewhere(text: str, suffix: str) -> list[str]:
    """The addresses outside the site that a page (.html) or a style sheet (.css) makes a browser load."""
    page = Loaded()
    if suffix == ".html":
        page.feed(text)
    addresses = in_styles(text) if suffix == ".css" else page.addresses
    return [address for address in addresses if ELSEWHERE.match(address)]


def public_names() -> list[str]:
    """Every name that a user may write after `import tinytensor`."""
    names = [f"tinytensor.{name}" for name in contents.__all__]
    for module in tinytensor.PUBLIC_MODULES:
        names += [f"tinytensor.{module}.{name}" for name in import_module(f"tinytensor.{module}").__all__]
    return names


def missing_from(documented: set[str]) -> list[str]:
    """The public names, and the methods of Sequential, whose object none of these names means."""
    objects = {id(value_of(name)) for name in documented}
    missing = [name for name in public_names() if id(value_of(name)) not in objects]
    methods = [f"tinytensor.Sequential.{name}" for name in dir(tinytensor.Sequential) if name[0] != "_"]
    own = [name for name in methods if not hasattr(tinytensor.Layer, name.rpartition(".")[2])]
    return [name for name in missing if not isinstance(value_of(name), ModuleType)] + [
        name for name in own if name not in documented
    ]


def value_of(name: str) -> Any:
    """What a dotted name means; None where only objects of a class have the attribute."""
    return reduce(lambda value, part: getattr(value, part, None), name.split(".")[1:], tinytensor)


def check(app: Any, problem: Exception | None) -> None:
    if problem or app.builder.name != "html":
        return
    for path in sorted(Path(app.outdir).rglob("*")):
        if path.suffix in {".html", ".css"}:
            for address in loaded_from_elsewhere(path.read_text(encoding="utf-8"), path.suffix):
                logger.warning("%s loads %s: the site must work without a network", path.name, address)
    for name in missing_from({*app.env.get_domain("py").objects}):
        logger.warning("docs/api.md does not have %s", name)


def setup(app: Any) -> dict[str, bool]:
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
