"""
Training: with NengoDL (extra ``dl``), or with JAX alone (extra ``train``).

Importing this imports neither. The names that need TensorFlow import it when they are
first used; they do so with legacy Keras, which NengoDL needs.
"""

import importlib

import lazy_loader

from lmu_nengo.training.plan.settings import configure_settings

WITH_NENGO_DL = {
    "_nengo_dl": ["nengo_dl"],
    "checkpoint": ["Checkpoint"],
    "losses": ["FiringRates"],
    "simulator": ["Simulator"],
}
_load, _, _ = lazy_loader.attach(
    __name__, submodules=["jax"], submod_attrs={"jax": ["Trainer"], **WITH_NENGO_DL}
)


def __getattr__(name):
    if [name] in WITH_NENGO_DL.values():
        importlib.import_module(f"{__name__}._nengo_dl")  # chooses Keras; first
    return _load(name)


__all__ = [
    "Checkpoint",
    "FiringRates",
    "Simulator",
    "Trainer",
    "configure_settings",
    "nengo_dl",
]


def __dir__():
    return sorted(__all__)
