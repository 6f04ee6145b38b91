"""Experiments as commands of this process: TensorFlow is imported once for all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments.__main__ import main

ROOT = Path(__file__).parents[2]


def environment():
    """The variables of this process, without a path to MNIST."""
    return {k: v for k, v in os.environ.items() if k != "LMU_NENGO_DATA"}


def invoke(*arguments, **env):
    """Run the command line in this process; return its exit code and output."""
    env = {"LMU_NENGO_DATA": None, "COLUMNS": "200", **env}
    with pytest.MonkeyPatch.context() as patch:
        # a process that holds TensorFlow must not be forked
        patch.setattr("experiments._lib.parallel.MAX_WORKERS", 1)
        result = CliRunner().invoke(main, [str(a) for a in arguments], env=env)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def figures_of(name, out, *options, stem=None):
    """Run an experiment in this process; return what its JSON file contains."""
    result = invoke(name, *options, "--out", out)
    assert result.exit_code == 0, result.output
    return read(out, stem or name)


def read(out, name):
    """Contents of the JSON file of an experiment."""
    return json.loads((Path(out) / f"{name}.json").read_text(encoding="utf-8"))


def command(*arguments):
    """Arguments of ``subprocess.run`` or ``Popen`` that start an experiment."""
    return dict(
        args=[sys.executable, "-m", "experiments", *map(str, arguments)],
        cwd=ROOT,
        env=environment(),
        text=True,
    )


def run(*arguments):
    """Run an experiment in a process of its own."""
    done = subprocess.run(**command(*arguments), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done
