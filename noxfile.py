"""A test job for each target: its extra alone must be enough for its tests."""

import nox

nox.options.default_venv_backend = "venv"
NIR = [
    "tests/targets/nir/test_graph.py",
    "tests/targets/nir/test_file.py",
    "tests/targets/nir/test_simulator.py",
]
TESTS = {
    "ocl": ["tests/targets/test_targets.py"],
    "loihi": ["tests/targets/loihi/test_loihi.py"],
    "norse": NIR,
    "spikingjelly": NIR,
}


@nox.session
@nox.parametrize("name", list(TESTS), ids=list(TESTS))
def target(session, name):
    """Install one extra and run the target's tests; arguments go to pytest."""
    # Nengo's plugin for pytest imports matplotlib
    session.install("-e", f".[{name}]", "pytest>=8,<9", "matplotlib", "scikit-learn")
    session.run("python", "-m", "pytest", *TESTS[name], *session.posargs)
