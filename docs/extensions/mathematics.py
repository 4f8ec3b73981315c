"""Formulas as SVG pictures, drawn by ziamath when the site is built: no page needs a script or a network."""

import html
from typing import Any

import ziamath
from docutils import nodes

SIZE = 18  # pixels of the font of formulas beside text of 16 pixels
ziamath.config.svg2 = False  # paths where they are used: two pictures on a page share no identifiers


def picture(latex: str, inline: bool) -> str:
    """The formula as an SVG element, its baseline on that of the text, its lengths in em."""
    # The columns of a matrix stand too close together as ziamath draws them.
    formula = ziamath.Latex(latex.replace("&", r"&\;"), size=SIZE, inline=inline, color="currentColor")
    drawn = formula.svgxml()
    for side in ("width", "height"):
        drawn.set(side, f"{float(drawn.get(side)) / SIZE * 1.125:.3f}em")
    drawn.set("style", f"vertical-align: {formula.getyofst() / SIZE * 1.125:.3f}em")
    drawn.set("role", "img")
    drawn.set("aria-label", latex)
    return ziamath.zmath.ET.tostring(drawn, encoding="unicode")


def inline_formula(translator: Any, node: nodes.Element) -> None:
    translator.body.append(f'<span class="math">{picture(node.astext(), inline=True)}</span>')
    raise nodes.SkipNode


def block_formula(translator: Any, node: nodes.Element) -> None:
    label = node.get("ids") or [""]
    identifier = f' id="{html.escape(label[0])}"' if label[0] else ""
    translator.body.append(f'<div class="math"{identifier}>{picture(node.astext(), inline=False)}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    app.add_html_math_renderer("ziamath", (inline_formula, None), (block_formula, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
