"""The Legendre memory, the ways to realize it, and functions of its window."""

from lmu_nengo.memory.exact import Linear, Windowed
from lmu_nengo.memory.network import LegendreMemory, realize
from lmu_nengo.memory.readout import LearnedReadout, WindowFunction
from lmu_nengo.memory.spiking import Spiking

__all__ = [
    "LearnedReadout",
    "LegendreMemory",
    "Linear",
    "Spiking",
    "WindowFunction",
    "Windowed",
    "realize",
]
