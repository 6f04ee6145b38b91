"""Test jobs: each target, the engine by Nengo's own tests, the published package."""

import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
NIR = [
    "tests/targets/nir/test_graph.py",
    "tests/targets/nir/test_file.py",
    "tests/targets/nir/test_simulator.py",
]
TESTS = {
    "jax": ["tests/targets/test_jax.py", "tests/engine"],
    "train": ["tests/training/jax"],
    "ocl": ["tests/targets/test_targets.py"],
    "loihi": ["tests/targets/loihi/test_loihi.py"],
    "norse": NIR,
    "spikingjelly": NIR,
}
EXAMPLE = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


@nox.session
@nox.parametrize("name", list(TESTS), ids=list(TESTS))
def target(session, name):
    """Install one extra, which must be enough for the target's tests; run them."""
    # Nengo's plugin for pytest imports matplotlib
    session.install("-e", f".[{name}]", "pytest>=8,<9", "matplotlib", "scikit-learn")
    session.run("python", "-m", "pytest", *TESTS[name], *session.posargs)


@nox.session
@nox.parametrize("suite", ["nengo_suite", "nengo_suite_float64"], ids=["32", "64"])
def nengo(session, suite):
    """Let Nengo's own tests judge the engine, by Nengo's plugin for pytest."""
    plugins = "pytest-allclose>=1,<2", "pytest-plt>=1.1,<2", "pytest-rng>=1,<2"
    # one of the tests imports pkg_resources
    session.install("-e", ".[jax]", "pytest>=8,<9", *plugins, "matplotlib", "setuptools<81")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = session.run("python", "-c", code, silent=True).strip()
    options = "-p", "no:cacheprovider", "-c", f"tests/engine/{suite}.ini"
    tests = "--rootdir", packages, "--pyargs", "nengo"
    session.run("python", "-m", "pytest", *options, *tests, *session.posargs)


@nox.session
def fuzz(session):
    """Let every reader read damaged and forged files: `nox -s fuzz -- 1000000`."""
    session.install("-e", ".[dl,nir,experiments]")
    session.run("python", "-m", "tests.project.fuzz", *(session.posargs or ["20000"]))


@nox.session
def slow(session):
    """Run all tests in one night, the claims too; slow.xml says what each gave."""
    session.install("-e", ".[tests]")
    kept = "--junitxml=slow.xml", "-o", "junit_logging=system-out"
    session.run("python", "-m", "pytest", "--slow", "-n", "2", *kept, *session.posargs)


@nox.session
def package(session):
    """Build wheel and sdist, check them, and run the first example with the wheel alone."""
    dist = Path(session.create_tmp(), "dist").resolve()
    shutil.rmtree(dist, ignore_errors=True)
    tool = sys.executable, "-m"  # build and twine come with the extra "tests"
    session.run(*tool, "build", "--outdir", str(dist), external=True)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    session.run(*tool, "twine", "check", "--strict", str(wheel), str(sdist), external=True)
    with zipfile.ZipFile(wheel) as file:
        packed = {name for name in file.namelist() if ".dist-info/" not in name}
    sources = {str(path) for path in Path("lmu_nengo").rglob("*.py")}
    if packed != {"lmu_nengo/py.typed", *sources}:
        session.error(f"The wheel differs from lmu_nengo/ by {sorted(packed ^ sources)}.")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    if missing := {"LICENSE", "README.md", "pyproject.toml", *packed} - names:
        session.error(f"The sdist lacks {sorted(missing)}.")

    code, shown = EXAMPLE.search(Path("docs/index.md").read_text("utf-8")).groups()
    session.install(str(wheel))
    # isolated: the clone, the present folder and PYTHONPATH are not searched
    printed = session.run("python", "-I", "-W", "ignore", "-c", code, silent=True)
    if printed != shown:
        session.error(f"The first example printed {printed!r}, docs/index.md {shown!r}.")
