"""Legendre Memory Units as Nengo networks: build once, train, make spike, run anywhere."""

from lmu_nengo.discretize import discretize, impulse_response, simulate
from lmu_nengo.dropout import Dropout
from lmu_nengo.legendre import delay_decoders, reconstruct_window, state_space
from lmu_nengo.memory import LegendreMemory, realize
from lmu_nengo.metrics import nrmse
from lmu_nengo.principle3 import lowpass_principle3
from lmu_nengo.realizations import Linear, Spiking, Windowed
from lmu_nengo.spiking import to_spiking
from lmu_nengo.version import __version__

__all__ = [
    "Dropout",
    "LegendreMemory",
    "Linear",
    "Spiking",
    "Windowed",
    "__version__",
    "delay_decoders",
    "discretize",
    "impulse_response",
    "lowpass_principle3",
    "nrmse",
    "realize",
    "reconstruct_window",
    "simulate",
    "state_space",
    "to_spiking",
]
