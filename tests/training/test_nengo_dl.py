"""Keras is chosen once in a process, so that most cases need one of their own."""

import importlib
import os
import subprocess
import sys

import pytest

from lmu_nengo.training import _nengo_dl

tf = pytest.importorskip("tensorflow")

BLOCK = """
import sys, importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name == {name!r} else find(name, *a)
"""


def run(code):
    # other tests may have made the choice for this process and its children
    env = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env=env,
    )


@pytest.mark.slow
def test_unmodified_nengodl_imports_without_noise_and_keras_3_is_itself_again():
    code = """
from lmu_nengo.training import nengo_dl
import tensorflow as tf, sys
legacy = tf.keras.Model.__module__
assert legacy in ("tf_keras.src.engine.training", "keras.src.engine.training")
assert nengo_dl.__version__ == "3.6.0"
assert nengo_dl.compat.Functional.__module__ == legacy.replace("training", "functional")
if tf.__version__ >= "2.16":
    import keras, keras.layers
    assert keras.__version__ >= "3", keras.__version__
    assert keras.layers.__name__ == "keras.layers"
    assert "keras.engine.functional" not in sys.modules
"""
    result = run(code)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""


@pytest.mark.parametrize(
    "line, is_noise",
    [
        ("I0000 00:00:1 1 port.cc:1] oneDNN custom operations are on. You may", True),
        ("I0000 00:00:1 1 x.cc:31] Could not find cuda drivers on your machine", True),
        ("E0000 x.cc:52] failed call to cuInit: INTERNAL: UNKNOWN ERROR (303)", True),
        ("E0000 x.cc:52] failed call to cuInit: CUDA_ERROR_SYSTEM_NOT_READY", False),
        ("W0000 x.cc:7] Cannot dlopen some GPU libraries.", False),
        ("my own message", False),
    ],
)
def test_only_noise_is_dropped_from_standard_error(capfd, monkeypatch, line, is_noise):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with _nengo_dl.without_startup_noise():
        os.write(2, f"{line}\n".encode())
    assert (line in capfd.readouterr().err) != is_noise
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")  # the user wants to see everything
    with _nengo_dl.without_startup_noise():
        os.write(2, f"{line}\n".encode())
    assert line in capfd.readouterr().err


def test_the_present_keras_is_the_legacy_one():
    legacy = tf.keras.Model.__module__
    assert legacy in ("tf_keras.src.engine.training", "keras.src.engine.training")
    functional = _nengo_dl.nengo_dl.compat.Functional.__module__
    assert functional == legacy.replace("training", "functional")


def test_keras_3_is_refused_with_an_install_line(monkeypatch):
    """As if legacy Keras were missing, or something had used Keras 3 before."""
    monkeypatch.setattr(tf.keras.Model, "__module__", "keras.src.models.model")
    monkeypatch.setattr(tf.keras, "__version__", "3.0.0", raising=False)
    with pytest.raises(ImportError, match="NengoDL needs legacy Keras") as error:
        _nengo_dl.import_both()
    assert "pip install 'tf-keras~=2." in str(error.value)
    assert "import them first" in str(error.value)


def test_classes_of_nengodl_are_replaced_only_while_a_simulator_is_made():
    module = importlib.import_module("nengo_dl.simulator")
    graph = module.TensorGraph
    with pytest.raises(ZeroDivisionError), _nengo_dl.replaced(TensorGraph=int):
        assert module.TensorGraph is int
        raise ZeroDivisionError
    assert module.TensorGraph is graph


@pytest.mark.parametrize("name", ["tensorflow", "nengo_dl"])
def test_a_missing_package_is_named_with_its_install_line(name):
    result = run(BLOCK.format(name=name) + "from lmu_nengo.training import Simulator")
    assert result.returncode != 0
    assert f"ImportError: Training needs the package {name}" in result.stderr
    assert 'pip install -e ".[dl]"' in result.stderr


@pytest.mark.slow
def test_missing_legacy_keras_is_named_with_its_install_line():
    result = run(BLOCK.format(name="tf_keras") + "from lmu_nengo.training import Simulator")
    assert result.returncode != 0
    assert "ImportError: NengoDL needs legacy Keras" in result.stderr
    assert "pip install 'tf-keras~=2." in result.stderr


@pytest.mark.slow
def test_keras_3_already_in_use_is_told_apart():
    use = "import tensorflow as tf; tf.keras.Model; "
    result = run(use + "from lmu_nengo.training import Simulator")
    assert result.returncode != 0
    assert "import them first" in result.stderr
