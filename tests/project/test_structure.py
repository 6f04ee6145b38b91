import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(path, top_level_only=False):
    """Modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


def modules():
    paths = (ROOT / "lmu_nengo").rglob("*.py")
    return [p for p in paths if p != ROOT / "lmu_nengo" / "__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.stem)
def test_only_training_imports_tensorflow(path):
    if "training" not in path.parts:
        names = {name.split(".")[0] for name in imported(path, top_level_only=True)}
        assert not names & {"tensorflow", "nengo_dl", "keras", "tf_keras"}


@pytest.mark.parametrize("folder", ["networks", "experiments", "benchmarks"])
def test_scripts_use_the_library_only(folder):
    ours = {p.name for p in ROOT.iterdir() if p.is_dir()} - {"lmu_nengo", folder}
    for path in (ROOT / folder).glob("*.py"):
        assert not {name.split(".")[0] for name in imported(path)} & ours


def test_no_folder_of_the_library_is_crowded():
    folders = [p for p in (ROOT / "lmu_nengo").rglob("*") if (p / "__init__.py").is_file()]
    crowded = {p.name: n for p in folders if (n := len(list(p.glob("*.py")))) > 10}
    assert not crowded


def test_the_top_level_holds_no_public_module():
    modules = {path.stem for path in (ROOT / "lmu_nengo").glob("*.py")}
    assert all(name.startswith("_") for name in modules)
