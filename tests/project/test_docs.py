import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import nengo
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow  # continuous integration builds it with the gallery's figures
def test_documentation_builds_without_a_warning(tmp_path):
    options = ["-W", "-q", "-D", "plot_gallery=0"]
    result = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "docs", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "index.html").is_file()
    for script in (ROOT / "networks").glob("*.py"):
        assert (tmp_path / "gallery" / f"{script.stem}.html").is_file()


@pytest.mark.parametrize("heading", ["Try it", "Test it"])
def test_readme_has_one_line_to_try_and_one_to_test(heading):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split(f"## {heading}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)
    assert len(block.strip().splitlines()) == 1


def test_ci_runs_the_readmes_test_line():
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "## Test it" in ci and "README.md" in ci


def pages():
    """The module ``docs/pages.py``, which runs what pages show."""
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_show_the_figures_that_the_experiments_wrote():
    assert pages().write_figures("--check", "--diff") == 0, "python docs/pages.py figures"
    written = [*ROOT.glob("*.md"), *ROOT.glob("experiments/*.md"), *ROOT.glob("docs/*.md")]
    with_tables = {
        str(page.relative_to(ROOT))
        for page in written
        if "[[[cog" in page.read_text(encoding="utf-8")
    }
    assert with_tables == set(pages().PAGES)


NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?")


def words_and_numbers(text):
    numbers = [float(number.replace(",", "")) for number in NUMBER.findall(text)]
    return NUMBER.sub("#", text).split(), numbers


# relative and absolute tolerance of what a page shows: single precision and threads
PAGES = {
    "index": (0, 1e-4),
    "choose": (0.02, 1e-3),
    "engine": (0, 0),
    "from_keras_lmu": (0, 0),
    "from_nengolib": (0.2, 1e-3),
    "stream": (0, 0.1),
}
SLOW_PAGES = {
    "convert": (0.05, 0.06),
    "tutorial": (0.15, 0.01),
    "train": (0.1, 4),
    "own_data": (0.01, 1.5),
    "own_signal": (0.2, 0.02),
}


def check_page(name, relative, absolute):
    module = pages()
    for (code, shown), printed in zip(module.blocks(name), module.run(name), strict=True):
        expected_words, expected = words_and_numbers(shown)
        words, numbers = words_and_numbers(printed)
        assert words == expected_words, code
        assert numbers == pytest.approx(expected, rel=relative, abs=absolute), code


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_its_examples_print(name):
    check_page(name, *PAGES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_PAGES)
def test_a_page_that_trains_shows_what_its_examples_print(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where own_signal.md writes its signal
    if name == "own_data":  # aeon needs an environment of its own
        pytest.importorskip("aeon")
        pytest.importorskip("statsmodels")
    check_page(name, *SLOW_PAGES[name])


TRAINING = """
import numpy as np
import lmu_nengo
from lmu_nengo.training import Simulator, nengo_dl
x, loss, n_steps = np.random.RandomState(0).randn(100, 784, 1), "mse", 784
"""
# what the examples of a page take for granted, by the number of the block
GIVEN = {
    "cells": {
        1: TRAINING
        + """
x, n_steps = x[:, :200], 200
y = np.zeros((100, 200, 212))
with network:
    probe = nengo.Probe(cell.output)
""",
        2: "x = x[:1]",
    },
    "guide": {
        1: TRAINING + "with network:\n    probe = nengo.Probe(half_a_second_ago)\ny = x"
    },
    "loihi": {},
    "nir": {
        0: """
import nengo
import lmu_nengo
with nengo.Network(seed=0) as network:
    u = nengo.Node(nengo.processes.WhiteSignal(5.0, high=2, rms=0.4, seed=0))
    spiking = lmu_nengo.Spiking(100, output="spikes")
    memory = lmu_nengo.LegendreMemory(0.2, 4, realization=spiking)
    digit = nengo.Node(size_in=4)
    nengo.Connection(u, memory.input, synapse=None)
    nengo.Connection(memory.output, digit, synapse=None)
    probe = nengo.Probe(digit)
""",
        1: "import numpy as np",
    },
    "spiking": {
        1: """
import nengo
import numpy as np
process, data = nengo.processes.WhiteSignal(5.0, high=1, rms=0.3), np.eye(100, 1)
""",
        2: "points = [0, 0.5, 1]",
    },
    "targets": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GIVEN)
def test_the_examples_of_a_page_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "nir":
        pytest.importorskip("norse")
    names = {}
    with nengo.Network():  # for examples that leave the network around them out
        for i, (code, _) in enumerate(pages().blocks(name)):
            exec(GIVEN[name].get(i, ""), names)
            exec(code, names)


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.stem)
def test_tagged_equations_have_one_line(path):
    # Sphinx makes several lines a `split`, in which MathJax refuses tags; no build warns
    page = path.read_text(encoding="utf-8")
    for equation in re.findall(r"\$\$(.*?)\$\$", page, re.DOTALL):
        assert r"\tag" not in equation or r"\\" not in equation, equation


def test_the_notebook_is_made_from_the_tutorial():
    module = pages()
    made = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
    code = ["".join(c["source"]) for c in made["cells"] if c["cell_type"] == "code"]
    assert "pip install" in code[0]
    # else: python docs/pages.py notebook
    assert code[1:] == [code.strip() for code, _ in module.blocks("tutorial")]
