import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# imports may only point to an earlier entry; "training" takes any of the core
ORDER = [
    "version",
    "validation",
    "archive",
    "metrics",
    "dropout",
    "noise",
    "tensor_function",
    "sequences",
    "weights",
    "datasets",
    "legendre",
    "discretize",
    "plotting",
    "synapses",
    "principle3",
    "poles",
    "expected",
    "coordinates",
    "populations",
    "realizations",
    "spiking_memory",
    "memory",
    "gui",
    "cell_sequence",
    "cell",
    "lstm",
    "stacks",
    "encoder_decoder",
    "readout",
    "spiking",
    "operations",
    "report",
    "saving",
    "training",
    "targets",
]


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
def test_imports_run_one_way(path):
    own = path.relative_to(ROOT / "lmu_nengo").parts[0].removesuffix(".py")
    for name in imported(path, top_level_only=True):
        if name.startswith("lmu_nengo."):
            other = name.split(".")[1]
            assert other == own or ORDER.index(other) < ORDER.index(own), name


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


def test_documented_tree_is_the_real_one():
    page = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    (tree,) = re.findall(r"```\n(.*?)```", page, flags=re.DOTALL)
    documented, folders = set(), []
    for line in tree.splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()
        folders = folders[: len(indent) // 2]
        documented.add("".join(folders) + name)
        folders.append(name)
    real = {"tests/", "docs/"}
    for folder in ("lmu_nengo", "networks", "experiments", "benchmarks"):
        real.add(f"{folder}/")
        for path in (ROOT / folder).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if "__pycache__" in name:
                continue
            if path.is_dir():
                real.add(f"{name}/")
            elif path.suffix in (".py", ".cfg"):
                real.add(name)
    assert documented == real


def test_no_module_is_long():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(
            path.read_text(encoding="utf-8").splitlines()
        )
        for folder in ("lmu_nengo", "networks", "experiments", "benchmarks", "tests")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert max(lengths.values()) <= 400, lengths
