"""Names in the text, as `tt.Linear` and `model.predict`, become links to the API."""

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform

PREFIXES = {"tt.": "tinytensor.", "tinytensor.": "tinytensor.", "model.": "tinytensor.inference.model.Model."}
NAME = re.compile(r"((?:tt|tinytensor|model)\.)([A-Za-z_][\w.]*)(?:\(.*\))?")


class Names(SphinxTransform):
    """Every literal that is one name, or a call of it, refers to the object of that name."""

    default_priority = 500

    def apply(self, **kwargs: Any) -> None:
        for literal in list(self.document.findall(nodes.literal)):
            found = NAME.fullmatch(literal.astext())
            if found and not isinstance(
                literal.parent, nodes.reference | nodes.title | addnodes.pending_xref
            ):
                link = addnodes.pending_xref(
                    "", literal.deepcopy(), refdomain="py", reftype="obj", refexplicit=True, refwarn=False,
                    refdoc=self.env.docname, reftarget=PREFIXES[found[1]] + found[2],
                )  # fmt: skip
                literal.replace_self(link)


def setup(app: Any) -> dict[str, bool]:
    app.add_transform(Names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
