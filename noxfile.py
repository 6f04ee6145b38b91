"""A test job for each target: its extra alone must be enough for its tests."""

import nox

nox.options.default_venv_backend = "venv"
TESTS = {
    "ocl": "tests/test_targets.py",
    "loihi": "tests/test_loihi.py",
    "norse": "tests/test_nir.py",
    "spikingjelly": "tests/test_nir.py",
}


@nox.session
@nox.parametrize("name", list(TESTS), ids=list(TESTS))
def target(session, name):
    """Install one extra and run the target's tests; arguments go to pytest."""
    session.install("-e", f".[{name}]", "pytest>=8,<9")
    session.run("python", "-m", "pytest", TESTS[name], *session.posargs)
