"""
Training: with NengoDL (extra ``dl``), or with JAX alone (extra ``train``).

Importing this imports neither. The names that need TensorFlow import it when they are
first used; they do so with legacy Keras, which NengoDL needs.
"""

import lazy_loader

from lmu_nengo.training.plan.settings import configure_settings

__getattr__, _, _lazy = lazy_loader.attach(
    __name__,
    submodules=["jax"],
    submod_attrs={
        "_nengo_dl": ["nengo_dl"],
        "checkpoint": ["Checkpoint"],
        "jax": ["Trainer"],
        "losses": ["FiringRates"],
        "simulator": ["Simulator"],
    },
)

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
