"""The Legendre memory, the ways to realize it, and functions of its window."""

from lmu_nengo.memory.exact import Linear, Windowed
from lmu_nengo.memory.network import LegendreMemory, find_memories
from lmu_nengo.memory.ranges import Excursion, RangeMonitor, excess
from lmu_nengo.memory.readout import LearnedReadout, WindowFunction
from lmu_nengo.memory.realization import (
    RealizableNetwork,
    Realization,
    find_realizable,
    realize,
)
from lmu_nengo.memory.spiking import Spiking

__all__ = [
    "Excursion",
    "LearnedReadout",
    "LegendreMemory",
    "Linear",
    "RangeMonitor",
    "RealizableNetwork",
    "Realization",
    "Spiking",
    "WindowFunction",
    "Windowed",
    "excess",
    "find_memories",
    "find_realizable",
    "realize",
]
