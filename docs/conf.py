"""Configuration of the documentation: `sphinx-build -W -n -b html docs docs/_build/html`.

The build needs no network, and neither do the pages: every picture is an SVG that is drawn
while building. What can be read from the code is read from it (`_ext/`): the diagnostics, the
states of a work item, the bounds, the command line, the Python API.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

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
    "knhk_pictures",
]

root_doc = "index"
exclude_patterns = ["_build", "_ext", "conftest.py"]
nitpicky = True

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
