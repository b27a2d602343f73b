"""Configuration of the documentation: `sphinx-build -W -n -b html docs docs/_build/html`.

The build needs no network, and neither do the pages: every picture is an SVG that is drawn
while building. What can be read from the code is read from it (`_ext/`): the diagnostics, the
states of a work item, the bounds, the command line, the Python API.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "KNHK"
author = "The KNHK authors"
copyright = f"2026, {author}"
release = installed_version("knhk")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "knhk_lexer",
    "knhk_reference",
    "knhk_diagnostics",
    "knhk_pictures",
    "knhk_patterns",
]

root_doc = "index"
exclude_patterns = ["_build", "_ext", "conftest.py"]
nitpicky = True
# References that lead out of this documentation. Their inventories would have to be fetched,
# and the build needs no network.
nitpick_ignore_regex = [
    # Names of the standard library and of libraries, as they stand in annotations.
    ("py:.*", r"(collections|contextlib|contextvars|datetime|os|pathlib|types|typing)(\..*)?"),
    ("py:.*", r"(anyio|click|pluggy|pydantic|pytest)(\..*)?"),
    # Constants: bounds, which have a page of their own, and tables of the kernel.
    ("py:data", r"[A-Z_]+"),
    # Modules that are named for readers of the source; callers never import them.
    ("py:mod", r"knhk\.(engine|journal|kernel|connect)\.\w+"),
    # What a drawing of a group is made of: patterns only pass these on.
    ("py:class", r"knhk_dsl\.(flow|syntax)\..*"),
]
# `Pattern` is a word of the flow for plugins, and a part of the suite for its players; an
# annotation names the one of its own module.
suppress_warnings = ["ref.python"]
nitpick_ignore = [
    # Parts of the kernel that callers hand on and never take apart.
    ("py:class", "knhk.kernel.program.Program"),
    ("py:class", "knhk.kernel.events.Wish"),
    # Type variables.
    ("py:class", "knhk.connect.connector.F"),
    ("py:class", "knhk.connect.connector.SettingsModel"),
    ("py:class", "knhk.testing.simulation.client.T"),
    # How long callers wait: an engine's own.
    ("py:class", "knhk.journal.patience.Patience"),
    # What a client is made by, which is none of its callers' business.
    ("py:class", "knhk.testing.simulation.client.Host"),
    # A union with a mapping in it, which is cut in two at the comma.
    ("py:class", "int | ~collections.abc.Mapping[str"),
]

html_theme = "furo"
html_title = f"KNHK {release}"
html_static_path = ["_static"]
html_css_files = ["knhk.css"]
templates_path: list[str] = []
highlight_language = "text"

myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_remove_prompts = True

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autoclass_content = "class"
python_use_unqualified_type_names = True


#: Classes that callers are given and never make themselves.
GIVEN = frozenset(
    {
        "knhk.Case",
        "knhk.Module",
        "knhk.WorkItem",
        "knhk.Workflow",
        "knhk.engine.CaseHandle",
        "knhk.engine.Engine",
        "knhk_dsl.Compilation",
        "knhk_dsl.Sources",
    }
)


def plain_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str, result: str
) -> tuple[str, str]:
    """Leave out constructors that nobody calls; show mypyc's `i64` as the `int` that it is."""
    if name in GIVEN:
        return "", ""
    return tuple(
        part and part.replace("~mypy_extensions.i64", "int") for part in (signature, result)
    )


def name_what_only_type_checkers_import() -> None:
    """Let annotations be evaluated whose names are imported for type checkers only."""
    import knhk.engine.engine
    import knhk.module
    import knhk.plugins
    import knhk_dsl

    knhk.engine.engine.Environment = knhk_dsl.Environment
    knhk.plugins.Environment = knhk_dsl.Environment
    knhk.module.Environment = knhk_dsl.Environment
    knhk.module.Compilation = knhk_dsl.Compilation


def setup(app: Sphinx) -> None:
    """Connect what is defined here."""
    name_what_only_type_checkers_import()
    app.connect("autodoc-process-signature", plain_signature)
