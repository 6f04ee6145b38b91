"""Legendre Memory Units as Nengo networks: build once, train, make spike, run anywhere."""

import importlib.metadata
from typing import TYPE_CHECKING

import lazy_loader

from lmu_nengo.conversion.calibration import calibrate
from lmu_nengo.conversion.linear_fit import fit_readout
from lmu_nengo.conversion.rate_to_spiking import to_spiking
from lmu_nengo.io.keras_models import from_keras_lmu
from lmu_nengo.io.saved_networks import load_network, save_network
from lmu_nengo.layers import (
    LSTM,
    Bidirectional,
    EncoderDecoder,
    LMUCell,
    Parallel,
    Stack,
)
from lmu_nengo.memory import LegendreMemory, Linear, Spiking, Windowed, realize
from lmu_nengo.nef.input_model import Band
from lmu_nengo.signal.legendre import delay_decoders, order_for

if TYPE_CHECKING:
    from lmu_nengo.streaming import Stream

__version__ = importlib.metadata.version("lmu-nengo")

# imported when they are first used: some need an extra
__getattr__, _, _submodules = lazy_loader.attach(
    __name__,
    submodules=[
        "conversion",
        "datasets",
        "engine",
        "estimators",
        "io",
        "layers",
        "memory",
        "nef",
        "processes",
        "signal",
        "streaming",
        "targets",
        "training",
        "viz",
    ],
    submod_attrs={"streaming": ["Stream"]},
)

__all__ = [
    "LSTM",
    "Band",
    "Bidirectional",
    "EncoderDecoder",
    "LMUCell",
    "LegendreMemory",
    "Linear",
    "Parallel",
    "Spiking",
    "Stack",
    "Stream",
    "Windowed",
    "calibrate",
    "delay_decoders",
    "fit_readout",
    "from_keras_lmu",
    "load_network",
    "order_for",
    "realize",
    "save_network",
    "to_spiking",
]


def __dir__():
    return sorted([*__all__, *_submodules, "__version__"])
