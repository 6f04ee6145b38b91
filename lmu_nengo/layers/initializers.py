"""Weights that are given or drawn."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError


class Glorot(nengo.dists.Distribution):
    """
    Uniform in +-sqrt(6 / (n_out + n_in)), for weights of shape (n_out, n_in).

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16.
    """

    def sample(self, n, d=None, rng=np.random):
        """Draw weights of shape (n, d)."""
        limit = np.sqrt(6 / (n + (1 if d is None else d)))
        return rng.uniform(-limit, limit, size=(n,) if d is None else (n, d))


def check_weights(value, shape, name, rng, obj):
    """
    An array of weights, from an array or a distribution.

    Parameters
    ----------
    value : array or nengo.dists.Distribution
        What was given.
    shape : tuple of int
        What is expected.
    name : str
        Name of the argument.
    rng : numpy.random.RandomState
        Draws from a distribution.
    obj : object
        What the argument belongs to.

    Returns
    -------
    weights : ndarray
        Of that shape.

    Raises
    ------
    ValidationError
        If it is neither, or has another shape, or is not finite.
    """
    if isinstance(value, nengo.dists.Distribution):
        return nengo.dists.get_samples(value, *shape, rng=rng)
    try:
        weights = np.array(value, dtype=float)
    except (TypeError, ValueError):
        weights = np.array(np.nan)
    if weights.shape != shape or not np.all(np.isfinite(weights)):
        got = f"shape {weights.shape}" if weights.shape != shape else "NaN or infinity"
        if weights.ndim == 0:
            got = repr(value)
        raise ValidationError(
            f"got {got}, expected finite numbers of shape {shape}, a nengo distribution "
            "to draw them from, or None to leave the path out.",
            attr=name,
            obj=obj,
        )
    return weights


def seed_of(seed):
    """A seed that is given, or one that follows from the network around, or ``None``."""
    if seed is not None:
        return seed
    for network in reversed(nengo.Network.context):
        if network.seed is not None:
            place = len(network.all_networks)
            return np.random.SeedSequence([network.seed, place]).generate_state(1)[0]
    return None
