"""Recurrent layers, and networks made of them."""

from lmu_nengo.layers.containers import Bidirectional, EncoderDecoder, Parallel, Stack
from lmu_nengo.layers.initializers import Glorot
from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.layers.lstm import LSTM
from lmu_nengo.layers.readout import Readout

__all__ = [
    "LSTM",
    "Bidirectional",
    "EncoderDecoder",
    "Glorot",
    "LMUCell",
    "Parallel",
    "Readout",
    "Stack",
]
