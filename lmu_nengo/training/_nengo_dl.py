"""Makes published NengoDL import on current TensorFlow; gives ``nengo_dl``.

NengoDL 3.6.0 asks for ``keras.engine.functional`` and for two names of
``keras.layers`` that Keras moved or dropped in TensorFlow 2.13. Both still exist in the
legacy Keras (inside TensorFlow up to 2.15, the package ``tf_keras`` from 2.16 on). While
NengoDL is imported, and only then, the two names stand for the legacy ones.
"""

import importlib
import importlib.util
import os
import sys
import warnings
from contextlib import contextmanager

ALIASES = ("engine.functional", "layers")


def import_nengo_dl():
    """
    Import NengoDL, choosing legacy Keras for this process.

    Returns
    -------
    nengo_dl : module
        The unmodified package.

    Raises
    ------
    ImportError
        If a package is missing or Keras 3 is already in use; says what to install.
    """
    if "nengo_dl" in sys.modules:
        return sys.modules["nengo_dl"]
    for package in ("tensorflow", "nengo_dl"):
        if importlib.util.find_spec(package) is None:
            raise ImportError(
                f"Training needs the package {package}, which is not installed. "
                "Install it with: pip install 'lmu-nengo[dl]'"
            )
    if importlib.util.find_spec("tf_keras") is not None:
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf

    keras, is_legacy, _ = tf.keras.Model.__module__.partition(".engine.")
    if not is_legacy:
        minor = ".".join(tf.__version__.split(".")[:2])
        raise ImportError(
            f"NengoDL needs legacy Keras, but tf.keras is Keras {tf.keras.__version__}. "
            f"Install it with: pip install 'tf-keras~={minor}.0'. If it is installed, "
            "something used tf.keras before lmu_nengo.training was imported: import "
            "lmu_nengo.training first."
        )
    with stand_in(keras), warnings.catch_warnings():
        # it was: see the pins in pyproject.toml
        warnings.filterwarnings("ignore", "This version of NengoDL has not been tested")
        return importlib.import_module("nengo_dl")


@contextmanager
def stand_in(keras):
    """Let ``keras.engine.functional`` and ``keras.layers`` mean those of ``keras``."""
    saved = {f"keras.{name}": sys.modules.get(f"keras.{name}") for name in ALIASES}
    for name in ALIASES:
        sys.modules[f"keras.{name}"] = importlib.import_module(f"{keras}.{name}")
    try:
        yield
    finally:
        for name, module in saved.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


nengo_dl = import_nengo_dl()
