"""Legendre Memory Units as Nengo networks: build once, train, make spike, run anywhere."""

from lmu_nengo.cell import LMUCell
from lmu_nengo.coordinates import state_transform, window_energy
from lmu_nengo.discretize import discretize, impulse_response, simulate
from lmu_nengo.dropout import Dropout
from lmu_nengo.encoder_decoder import EncoderDecoder
from lmu_nengo.expected import Band
from lmu_nengo.legendre import (
    delay_decoders,
    delay_error,
    order_for,
    reconstruct_window,
    state_space,
)
from lmu_nengo.lstm import LSTM
from lmu_nengo.memory import LegendreMemory, realize
from lmu_nengo.metrics import nrmse
from lmu_nengo.noise import GaussianNoise
from lmu_nengo.poles import loop_poles
from lmu_nengo.populations import Staggered
from lmu_nengo.principle3 import Mapping, continuous_principle3, principle3
from lmu_nengo.readout import LearnedReadout, WindowFunction
from lmu_nengo.realizations import Linear, Windowed
from lmu_nengo.report import SpikingReport, spiking_report
from lmu_nengo.saving import load_network, save_network
from lmu_nengo.spiking import scale_for, to_spiking
from lmu_nengo.spiking_memory import Spiking
from lmu_nengo.stacks import Bidirectional, Parallel, Stack
from lmu_nengo.synapses import DelayedLowpass, discrete_synapse
from lmu_nengo.version import __version__

__all__ = [
    "LSTM",
    "Band",
    "Bidirectional",
    "DelayedLowpass",
    "Dropout",
    "EncoderDecoder",
    "GaussianNoise",
    "LMUCell",
    "LearnedReadout",
    "LegendreMemory",
    "Linear",
    "Mapping",
    "Parallel",
    "Spiking",
    "SpikingReport",
    "Stack",
    "Staggered",
    "WindowFunction",
    "Windowed",
    "__version__",
    "continuous_principle3",
    "delay_decoders",
    "delay_error",
    "discrete_synapse",
    "discretize",
    "impulse_response",
    "load_network",
    "loop_poles",
    "nrmse",
    "order_for",
    "principle3",
    "realize",
    "reconstruct_window",
    "save_network",
    "scale_for",
    "simulate",
    "spiking_report",
    "state_space",
    "state_transform",
    "to_spiking",
    "window_energy",
]
