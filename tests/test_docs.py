import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_documentation_builds_without_a_warning(tmp_path):
    # continuous integration builds it again and runs the gallery's scripts
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


@pytest.mark.slow
def test_the_example_of_conversion_gives_what_the_page_shows(capsys):
    page = (ROOT / "docs" / "convert.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec("\n".join(blocks[:3]), {})

    def figures(text):
        scores = re.findall(r"score ([\d.]+)", text)
        operations = re.findall(r"multiply-accumulates: .*", text)
        return [float(score) for score in scores], operations

    scores, operations = figures(page)
    assert len(scores) == len(operations) == 3
    run_scores, run_operations = figures(capsys.readouterr().out)
    assert run_operations == operations
    assert run_scores == pytest.approx(scores, abs=0.06)
