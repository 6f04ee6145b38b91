"""Sphinx configuration; build with ``python -m sphinx -W docs docs/_build``."""

from lmu_nengo import __version__

project = "lmu_nengo"
author = "the lmu_nengo developers"
release = __version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx-mathjax-offline",
]
myst_enable_extensions = ["dollarmath"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"lmu_nengo {release}"
numpydoc_show_class_members = False
default_role = "code"
