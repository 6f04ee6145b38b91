"""What README.md puts forward holds when the commands are run again.

``pytest --slow tests/experiments/test_claims.py`` runs all of them, which takes a night;
``nox -s slow`` does that in an environment of its own, and keeps what each gave.
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from tests.experiments.claims import CLAIMS
from tests.experiments.commands import ROOT, read, run

SEEDS = "012"
FIGURE = re.compile(r"""f\.(?:figure|measured)\(\s*'([^']+)',\s*'([^']+)'""")


def seeds_of(claim):
    return SEEDS if "*" in claim.result else " "


def recorded(claim, figure):
    results = ROOT / "docs" / "results"
    values = [
        read(results, claim.result.replace("*", seed))["figures"][figure]
        for seed in seeds_of(claim)
    ]
    return float(np.mean(values))


def described(claim):
    return claim.result.replace("*", "0,1,2")


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS, ids=described)
def test_what_was_recorded_is_found_again(claim, tmp_path):
    if claim.needs:
        pytest.importorskip(claim.needs)
    data = os.environ.get("LMU_NENGO_DATA")
    if "PATH" in claim.command and not data:
        pytest.skip("set LMU_NENGO_DATA to MNIST's mnist.npz or its folder")
    found = []
    for seed in seeds_of(claim):
        command = claim.command.replace("*", seed).split()
        command = [str(Path(data).resolve()) if x == "PATH" else x for x in command]
        run(*command, "--out", tmp_path)
        found.append(read(tmp_path, claim.written or claim.result)["figures"])
    worse = []
    for figure, allowed in claim.figures.items():
        value = float(np.mean([each[figure] for each in found]))
        expected = recorded(claim, figure)
        print(f"{claim.result} {figure}: {value:.6g}, recorded {expected:.6g}")
        by = value - expected if allowed >= 0 else expected - value
        if not by <= abs(allowed) + 1e-9:
            worse.append(f"{figure}: {value:.6g} instead of {expected:.6g}")
    assert not worse, worse


def test_claims_are_of_figures_that_were_recorded():
    for claim in CLAIMS:
        for figure, allowed in claim.figures.items():
            value = recorded(claim, figure)
            # a claim that may be worse by a fifth of what it says says little
            assert abs(allowed) <= 0.2 * abs(value), (claim.result, figure, value)


@pytest.mark.parametrize("page", ["README.md", "docs/results.md"])
def test_every_figure_of_the_first_table_has_a_claim(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    first = text.partition("<!-- [[[cog")[2].partition("]]] -->")[0]
    claims = {(claim.result, figure) for claim in CLAIMS for figure in claim.figures}
    assert set(FIGURE.findall(first)) - claims == set()
