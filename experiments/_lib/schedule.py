"""Learning rates of a training that lasts a given time."""

import numpy as np

MAX_EPOCHS = 100_000  # time ends training


def cosine(first, share):
    """Learning rate that falls to zero as a cosine, by the share of the time."""
    return first * 0.5 * (1 + np.cos(np.pi * min(share, 1))) + 1e-6
