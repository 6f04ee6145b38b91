"""Figures with Matplotlib, and a live view of a memory's window in Nengo GUI."""

from lmu_nengo.viz.gui import WindowView, window_view
from lmu_nengo.viz.plotting import (
    basis,
    errors,
    impulse_responses,
    raster,
    training_curves,
    window,
)

__all__ = [
    "WindowView",
    "basis",
    "errors",
    "impulse_responses",
    "raster",
    "training_curves",
    "window",
    "window_view",
]
