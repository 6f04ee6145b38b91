"""The Loihi chip and its emulator."""

from lmu_nengo.targets.loihi.memory import OnChip
from lmu_nengo.targets.loihi.simulator import Simulator, check, prepare

__all__ = [
    "OnChip",
    "Simulator",
    "check",
    "prepare",
]
