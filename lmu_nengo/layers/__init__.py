"""Recurrent layers and how they are put together."""

from lmu_nengo.layers.containers import Bidirectional, Parallel, Stack
from lmu_nengo.layers.encoder_decoder import EncoderDecoder
from lmu_nengo.layers.initializers import Glorot
from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.layers.lstm import LSTM

__all__ = [
    "LSTM",
    "Bidirectional",
    "EncoderDecoder",
    "Glorot",
    "LMUCell",
    "Parallel",
    "Stack",
]
