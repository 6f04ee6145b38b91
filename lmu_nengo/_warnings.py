"""Warnings that point at a line of the user's."""

import sys
import warnings

# what lies between a line of the user's and a warning: this package, and what calls it
PASSED = {"contextlib", "keras", "lmu_nengo", "nengo", "nengo_dl", "tensorflow", "tf_keras"}


def warn(message: str) -> None:
    """
    Warn at the line of the user's that led here.

    Parameters
    ----------
    message : str
        What the user should know and can do.
    """
    frame, level = sys._getframe(1), 2
    while frame is not None and _package(frame) in PASSED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _package(frame):
    return str(frame.f_globals.get("__name__")).partition(".")[0]
