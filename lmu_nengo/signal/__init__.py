"""Control theory on arrays: the Legendre delay network, discretization, balancing."""

from lmu_nengo.signal.balancing import state_transform, window_energy
from lmu_nengo.signal.discretization import discretize, impulse_response, simulate
from lmu_nengo.signal.legendre import (
    delay_decoders,
    delay_error,
    order_for,
    reconstruct_window,
    state_space,
)
from lmu_nengo.signal.metrics import nrmse
from lmu_nengo.signal.padding import pad_front

__all__ = [
    "delay_decoders",
    "delay_error",
    "discretize",
    "impulse_response",
    "nrmse",
    "order_for",
    "pad_front",
    "reconstruct_window",
    "simulate",
    "state_space",
    "state_transform",
    "window_energy",
]
