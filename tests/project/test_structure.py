"""Where things are; import-linter's contracts check what may import what."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import lmu_nengo

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "lmu_nengo"
PACKAGES = [path.parent for path in LIBRARY.rglob("__init__.py")]
CORE_TESTS = [
    path
    for path in (ROOT / "tests").rglob("*.py")
    if path.parent.name not in ("experiments", "networks", "project")
]


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_packages(path):
    """Top-level packages that a file imports, inside functions too."""
    modules = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("folder", ["networks", "benchmarks"])
def test_scripts_import_only_the_library(folder):
    forbidden = {"benchmarks", "experiments", "networks", "tests"}
    for path in (ROOT / folder).glob("*.py"):
        assert not imported_packages(path) & forbidden, path.name


def test_core_tests_import_no_experiment():
    for path in CORE_TESTS:
        allowed = {"benchmarks"} if path.stem == "test_keras_lmu" else set()  # the peer
        assert imported_packages(path) & {"benchmarks", "experiments"} == allowed, path


def test_no_package_has_more_than_ten_modules():
    sizes = {path.name: len(list(path.glob("*.py"))) for path in PACKAGES}
    assert max(sizes.values()) <= 10, sizes


def test_the_top_level_has_only_private_modules():
    assert all(path.stem.startswith("_") for path in LIBRARY.glob("*.py"))


def test_no_module_has_the_name_of_something_in_it():
    for path in LIBRARY.rglob("*.py"):
        defined = {getattr(node, "name", None) for node in parse(path).body}
        assert path.stem not in defined, path
    for package in PACKAGES:
        public = lmu_nengo if package == LIBRARY else load(package)
        submodules = {path.stem for path in package.glob("*.py")}
        assert not submodules & set(getattr(public, "__all__", ())), package


def load(package):
    return importlib.import_module(".".join(package.relative_to(ROOT).parts))


def test_tests_mirror_the_packages():
    packages = {path.relative_to(LIBRARY) for path in PACKAGES}
    folders = {path.parent.relative_to(ROOT / "tests") for path in CORE_TESTS}
    # the parts of training are tested through the simulator
    parts = "backend", "kernels", "plan", "jax/network"
    untested = {Path("training") / part for part in parts}
    assert folders == packages - untested


def test_the_documented_tree_is_that_of_the_folders():
    page = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    tree = page.split("```text\n")[1].split("```")[0]
    documented, above = set(), []
    for line in tree.splitlines():
        name = line.split("/")[0]
        depth = (len(name) - len(name.lstrip())) // 2
        above = [*above[:depth], name.strip()]
        documented.add(Path(*above))
    assert all((ROOT / path).is_dir() for path in documented)
    assert {path for path in documented if path.parts[0] == "lmu_nengo"} == {
        package.relative_to(ROOT) for package in PACKAGES
    }


def test_nox_names_existing_tests():
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    noxfile = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(noxfile)
    for paths in noxfile.TESTS.values():
        assert all((ROOT / path).exists() for path in paths)


def imported_with(module):
    """Top-level packages that are imported with a module."""
    script = (
        f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    return set(output.split())


OPTIONAL = {
    *("h5py", "jax", "keras", "matplotlib", "nengo_dl", "nengo_loihi", "nengo_ocl"),
    *("nir", "norse", "sklearn", "tensorflow", "tf_keras", "torch"),
}


@pytest.mark.parametrize(
    "module, extra",
    [
        ("lmu_nengo", set()),
        ("lmu_nengo.engine", {"jax"}),
        ("lmu_nengo.training", set()),
        ("lmu_nengo.training.jax", {"jax"}),
    ],
)
def test_a_package_is_imported_without_what_needs_another_extra(module, extra):
    imported = imported_with(module)
    assert imported & OPTIONAL == extra
    assert "nengo" in imported


def test_without_jax_the_engine_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.delitem(sys.modules, "lmu_nengo.engine", raising=False)
    with pytest.raises(ImportError, match=r'pip install -e "\.\[jax\]"'):
        importlib.import_module("lmu_nengo.engine")


def test_without_optax_training_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    monkeypatch.delitem(sys.modules, "lmu_nengo.training.jax", raising=False)
    with pytest.raises(ImportError, match=r'pip install -e "\.\[train\]"'):
        importlib.import_module("lmu_nengo.training.jax")


def test_subpackages_are_loaded_when_they_are_used():
    script = (
        "import sys, lmu_nengo\n"
        "before = 'lmu_nengo.targets' in sys.modules\n"
        "lmu_nengo.targets.run, lmu_nengo.viz.plotting.raster\n"
        "print(before, 'lmu_nengo.targets' in sys.modules, 'matplotlib' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout
    assert output.split() == ["False", "True", "False"]
