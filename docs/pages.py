"""Pages whose examples run: ``python docs/pages.py run tutorial``, ``... notebook``.

``python docs/pages.py figures`` writes the tables of figures from ``docs/results``.

Blocks of a page marked ``python`` are run one after the other; a block marked ``text``
right behind one shows what it prints.
"""

import contextlib
import io
import re
from pathlib import Path

import click

DOCS = Path(__file__).parent
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
PAGES = (  # with tables of figures
    *("README.md", "experiments/README.md", "docs/results.md", "docs/own_data.md"),
    *("docs/comparison.md", "docs/engine.md", "docs/convert.md", "docs/install.md"),
    *("docs/loihi.md", "docs/nir.md", "docs/spiking.md", "docs/stream.md"),
    "docs/targets.md",
)
INSTALL = """\
# In Colab: `!git clone ADDRESS /content/lmu_nengo`, and "/content/lmu_nengo" for "..".
# Restart the kernel afterwards.
%pip install "setuptools<81" wheel
%pip install --no-deps --no-build-isolation nengo-dl==3.6.0
%pip install -e "..[dl,experiments,loihi]"\
"""


def blocks(name):
    """Pairs of code and what the page shows as its output, or an empty string."""
    return BLOCK.findall((DOCS / f"{name}.md").read_text(encoding="utf-8"))


def run(name):
    """Yield what each block prints; figures stay open in ``matplotlib.pyplot``."""
    names = {}
    for code, _ in blocks(name):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"{name}.md", "exec"), names)
        yield printed.getvalue()


def notebook():
    """Notebook of the tutorial: its blocks, after one that installs."""
    import jupytext
    from nbformat import v4

    page = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    page = re.sub(r"!\[.*?\]\(.*?\)\n\n", "", page)  # it draws its own pictures
    made = jupytext.reads(page, fmt="md")
    made.cells.insert(1, v4.new_code_cell(INSTALL))
    for i, cell in enumerate(made.cells):
        cell["id"] = f"cell{i}"  # else random: the same page makes the same file
    return jupytext.writes(made, fmt="ipynb")


def write_figures(*options):
    """Write the tables of all pages; returns 0 if that went well."""
    from cogapp import Cog

    project = DOCS.parent
    pages = [project / name for name in PAGES]
    return Cog().main(["cog", "-I", str(DOCS), *options, *map(str, pages)])


@click.group(help=__doc__)
def command():
    """Read the options."""


@command.command("run")
@click.argument("name")
def run_command(name):
    """Run a page, print what it prints and write its figures beside it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    for printed in run(name):
        click.echo(printed, nl=False)
    for number in pyplot.get_fignums():
        pyplot.figure(number).savefig(DOCS / f"{name}_{number}.png", dpi=100)


@command.command("notebook")
def notebook_command():
    """Write the tutorial's notebook, ``docs/tutorial.ipynb``."""
    (DOCS / "tutorial.ipynb").write_text(notebook(), encoding="utf-8")


@command.command("figures")
def figures_command():
    """Write the tables of figures from the JSON files in ``docs/results``."""
    raise SystemExit(write_figures("-r"))


if __name__ == "__main__":
    command()
