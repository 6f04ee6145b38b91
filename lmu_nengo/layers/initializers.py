"""Weights that are given or drawn."""

from collections import Counter
from collections.abc import Mapping
from weakref import WeakKeyDictionary

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import check_seed


class Glorot(nengo.dists.Distribution):
    """
    Uniform in +-sqrt(6 / (n_out + n_in)), for weights of shape (n_out, n_in).

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010, equation 16.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.layers import Glorot
    >>> weights = Glorot().sample(4, 2, rng=np.random.RandomState(0))
    >>> weights.shape, bool(abs(weights).max() < np.sqrt(6 / (4 + 2)))
    ((4, 2), True)
    """

    def sample(self, n: int, d: int | None = None, rng=np.random) -> np.ndarray:
        """Draw weights of shape (n, d)."""
        limit = np.sqrt(6 / (n + (1 if d is None else d)))
        return rng.uniform(-limit, limit, size=(n,) if d is None else (n, d))


def check_weights(value, shape: tuple[int, ...], name: str, obj):
    """
    Check an array of weights; a distribution passes.

    Parameters
    ----------
    value : array or nengo.dists.Distribution
        What was given.
    shape : tuple of int
        Shape of the weights.
    name : str
        Name of the argument.
    obj : object
        The object or class that the argument belongs to.

    Returns
    -------
    weights : ndarray or nengo.dists.Distribution
        A copy of the array in double precision, or the distribution.

    Raises
    ------
    ValidationError
        If the value is neither, or the array has another shape or is not finite.
    """
    if isinstance(value, nengo.dists.Distribution):
        return value
    try:
        weights = np.array(value, dtype=float)
    except (TypeError, ValueError):
        weights = np.array(np.nan)
    if weights.shape != shape or not np.all(np.isfinite(weights)):
        got = f"shape {weights.shape}" if weights.shape != shape else "NaN or infinity"
        if weights.ndim == 0:
            got = repr(value)
        raise ValidationError(
            f"must hold finite numbers in the shape {shape}, got {got}. Give an array, or "
            "a nengo distribution to draw them from.",
            attr=name,
            obj=obj,
        )
    return weights


def make_weights(given: Mapping, seed: int | None, obj) -> dict[str, np.ndarray]:
    """
    Weights of a layer: all are checked before any is drawn.

    Parameters
    ----------
    given : dict of {str: (array or nengo.dists.Distribution, tuple of int)}
        For each name what was given, and the shape.
    seed : int or None
        Seed of the layer; ``None`` takes one that follows from the network around it.
    obj : object
        The object or class that the weights belong to.

    Returns
    -------
    weights : dict of {str: ndarray}
        Arrays of these shapes.
    """
    checked = {name: check_weights(*given[name], name, obj) for name in given}
    rng = np.random.RandomState(seed_of(check_seed(seed, obj=obj)))
    return {
        name: nengo.dists.get_samples(value, *given[name][1], rng=rng)
        if isinstance(value, nengo.dists.Distribution)
        else value
        for name, value in checked.items()
    }


# for each network, how many layers drew their weights at a place in it
_drawn = WeakKeyDictionary()


def seed_of(seed: int | None) -> int | None:
    """A seed that is given, or one that follows from the network around, or ``None``."""
    if seed is not None:
        return seed
    for network in reversed(nengo.Network.context):
        if network.seed is not None:
            place = len(network.all_networks)
            counts = _drawn.setdefault(network, Counter())
            repeated = counts[place]  # layers that are not in the network share a place
            counts[place] += 1
            entropy = [network.seed, place, *([repeated] if repeated else [])]
            return np.random.SeedSequence(entropy).generate_state(1)[0]
    return None
