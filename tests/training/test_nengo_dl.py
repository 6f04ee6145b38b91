"""Each case needs a process of its own: Keras is chosen once per process."""

import os
import subprocess
import sys

import pytest

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


def test_unmodified_nengodl_imports_and_keras_3_is_itself_again():
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


@pytest.mark.parametrize("name", ["tensorflow", "nengo_dl"])
def test_a_missing_package_is_named_with_its_install_line(name):
    result = run(BLOCK.format(name=name) + "import lmu_nengo.training")
    assert result.returncode != 0
    assert f"ImportError: Training needs the package {name}" in result.stderr
    assert "pip install 'lmu-nengo[dl]'" in result.stderr


def test_missing_legacy_keras_is_named_with_its_install_line():
    result = run(BLOCK.format(name="tf_keras") + "import lmu_nengo.training")
    assert result.returncode != 0
    assert "ImportError: NengoDL needs legacy Keras" in result.stderr
    assert "pip install 'tf-keras~=2." in result.stderr


def test_keras_3_already_in_use_is_told_apart():
    code = "import tensorflow as tf; tf.keras.Model; import lmu_nengo.training"
    result = run(code)
    assert result.returncode != 0
    assert "import lmu_nengo.training first" in result.stderr
