"""From a trained rate network to a spiking one, and what that costs."""

from lmu_nengo.conversion.operations import fan_out, rate_operations, remaining_operations
from lmu_nengo.conversion.rate_to_spiking import scale_for, to_spiking
from lmu_nengo.conversion.report import Layer, SpikeCounter, SpikingReport, spiking_report

__all__ = [
    "Layer",
    "SpikeCounter",
    "SpikingReport",
    "fan_out",
    "rate_operations",
    "remaining_operations",
    "scale_for",
    "spiking_report",
    "to_spiking",
]
