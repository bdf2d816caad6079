"""The site: `make docs` builds it into docs/_build/html."""

from __future__ import annotations

import sys
from pathlib import Path

import harness

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "harness"
release = harness.__version__
extensions = [
    "extension.reference",
    "extension.results",
    "myst_nb",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
# Of a digest its report and checklist are pages; those of `reference` are made from the code.
include_patterns = ["*.md", "*.ipynb", "reference/**", "results/index.md"]
include_patterns += [f"results/*/{page}.md" for page in ("report", "checklist")]

myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # a test runs the notebook: tests/test_tour.py

smartquotes_action = "De"  # quotes stay as a command line needs them
default_role = "code"  # docstrings write code as Markdown does
add_module_names = False
autoclass_content = "both"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
# Names for types that are long in full.
autodoc_type_aliases = {name: name for name in ("Array", "ArrayLike", "Statistic")}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 80
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "harness"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
# What is copied of a console block is its commands.
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
