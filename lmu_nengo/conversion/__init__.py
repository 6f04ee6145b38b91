"""From a trained rate network to a spiking one, and what that costs."""

from lmu_nengo.conversion.calibration import calibrate
from lmu_nengo.conversion.linear_fit import fit_readout
from lmu_nengo.conversion.operations import (
    connection_sparsity,
    dense_operations,
    fan_out,
    rate_operations,
    remaining_operations,
)
from lmu_nengo.conversion.rate_to_spiking import scale_for, to_spiking
from lmu_nengo.conversion.report import Layer, SpikeCounter, SpikingReport, spiking_report
from lmu_nengo.conversion.storage import footprint

__all__ = [
    "Layer",
    "SpikeCounter",
    "SpikingReport",
    "calibrate",
    "connection_sparsity",
    "dense_operations",
    "fan_out",
    "fit_readout",
    "footprint",
    "rate_operations",
    "remaining_operations",
    "scale_for",
    "spiking_report",
    "to_spiking",
]
