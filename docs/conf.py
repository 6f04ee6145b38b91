"""Sphinx configuration; build with ``python -m sphinx -W docs docs/_build``.

Add ``-D plot_gallery=0`` to leave the scripts of the gallery unrun.
"""

import nengo

from lmu_nengo import __version__

nengo.rc.set("progress", "progress_bar", "none")  # not into the pages

project = "lmu_nengo"
author = "the lmu_nengo developers"
release = __version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx-mathjax-offline",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_theme = "furo"
html_show_copyright = False
html_title = f"lmu_nengo {release}"
numpydoc_show_class_members = False
autodoc_default_options = {  # hooks that Nengo and Keras call
    "exclude-members": "make, make_state, make_step, sample, call, on_train_begin,"
    " on_epoch_begin, on_epoch_end"
}
default_role = "code"
sphinx_gallery_conf = {
    "examples_dirs": "../networks",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "ignore_pattern": r"\.cfg$",
    "capture_repr": (),
    "download_all_examples": False,
    "show_signature": False,
    "min_reported_time": 600,  # no times: they are this machine's
    "write_computation_times": False,
}
