"""Intel's Loihi chip and its emulator."""

from lmu_nengo.targets.loihi.memory import OnChip
from lmu_nengo.targets.loihi.simulator import ChipReport, Simulator

__all__ = ["ChipReport", "OnChip", "Simulator"]
