"""The gallery: scripts of ``networks/`` as sphinx-gallery wants them.

A script runs as on the command line, ``python NAME.py --out NAME.png``, and its page
shows the picture.
"""

import shutil
from pathlib import Path

from sphinx_gallery.scrapers import figure_rst

DOCS = Path(__file__).parent
SCRIPTS = DOCS / "_scripts"  # made anew by each build
HEADER = """\
Gallery
=======

The scripts of ``networks/``, each one idea. Open one in Nengo GUI with
``nengo networks/NAME.py`` and watch it live, or draw its picture with
``python networks/NAME.py``, as was done here.
"""


def prepare():
    """Copy the scripts, and what they read, to ``docs/_scripts``."""
    shutil.rmtree(SCRIPTS, ignore_errors=True)
    SCRIPTS.mkdir()
    (SCRIPTS / "GALLERY_HEADER.rst").write_text(HEADER, encoding="utf-8")
    for path in sorted((DOCS.parent / "networks").iterdir()):
        if path.suffix in (".py", ".npz"):
            shutil.copy(path, SCRIPTS)


def arguments(gallery_conf, script_vars):
    """Command line of a script."""
    return ["--out", Path(script_vars["src_file"]).with_suffix(".png").name]


def pictures(block, block_vars, gallery_conf):
    """Take the picture, if a block has drawn it, into the page."""
    picture = Path(block_vars["src_file"]).with_suffix(".png")
    if not picture.is_file():
        return ""
    place = next(block_vars["image_path_iterator"])
    shutil.move(picture, place)
    return figure_rst([place], gallery_conf["src_dir"])
