"""What compiled functions get: sequences on devices, and what the network gives itself."""

from collections.abc import Iterator

import jax
import numpy as np

from lmu_nengo.engine.devices import BY_FIRST, BY_SECOND, WHOLE, Devices
from lmu_nengo.training.jax.data import Data
from lmu_nengo.training.jax.network.program import Forward

CHUNK_BYTES = 2**26  # of the batches that one call trains on
CHUNK_BATCHES = 64
AHEAD = 500  # sequences of which coefficients are computed together
MOST_BYTES = 2**31  # of the coefficients that are computed ahead of training


class Batches:
    """
    Puts data onto devices.

    Parameters
    ----------
    forward : dict of {bool: Forward}
        What the probes show, outside of training and in training.
    devices : Devices
        A batch is divided among them.
    size : int
        Sequences in a batch.

    Attributes
    ----------
    features : function
        Compiled: computes of data what does not depend on what is trained.
    """

    def __init__(self, forward: dict[bool, Forward], devices: Devices, size: int):
        self.forward, self.devices, self.size = forward, devices, size
        self.features = jax.jit(forward[True].features)
        self._own: dict = {}

    def arguments(self, data: Data, rows: slice, is_training: bool, seed: int) -> tuple:
        """
        Give what a compiled function gets for some sequences, but for the parameters.

        Parameters
        ----------
        data : Data
            All data.
        rows : slice
            Which sequences.
        is_training : bool
            Whether it is for training.
        seed : int
            Seed of everything random.

        Returns
        -------
        args : tuple
            Constants, batch, own values and key, as for `Forward`.
        """
        n = rows.stop - rows.start
        spec = WHOLE if n % self.devices.count else BY_FIRST
        batch = jax.tree.map(lambda a: self.devices.put(a, spec), data.take(rows))
        own = self.own_values(n, data.n_steps, is_training, seed)
        return self.forward[is_training].constants, batch, own, key_of(seed)

    def chunks(self, data: Data, order: np.ndarray, seed: int) -> Iterator[tuple]:
        """
        Give the whole batches of an epoch, many at once.

        Parameters
        ----------
        data : Data
            All data.
        order : ndarray of int of shape (n_batches, size)
            The sequences in each batch.
        seed : int
            Seed of everything random.

        Yields
        ------
        args : tuple
            Constants, batches, own values, key and the number of batches.
        """
        n_batches = len(order)
        n_bytes = sum(a[:1].nbytes for a in jax.tree.leaves(data.arrays)) * self.size
        capacity = int(np.clip(CHUNK_BYTES // n_bytes, 1, min(n_batches, CHUNK_BATCHES)))
        own = self.own_values(self.size, data.n_steps, True, seed)
        for start in range(0, n_batches, capacity):
            rows = order[start : start + capacity]
            n = len(rows)
            if n < capacity:  # what is added is not trained on
                rows = np.concatenate([rows, np.repeat(rows[:1], capacity - n, axis=0)])
            batches = jax.tree.map(
                lambda a: self.devices.put(a, BY_SECOND), data.take(rows)
            )
            constants = self.forward[True].constants
            yield constants, batches, own, key_of(seed), np.int32(n)

    def own_values(self, n: int, n_steps: int, is_training: bool, seed: int) -> dict:
        """What nodes show that get no data, for a batch of so many sequences."""
        key = n, n_steps, is_training, seed
        if key not in self._own:
            values = self.forward[is_training].own_values(n_steps, n, seed)
            self._own[key] = jax.tree.map(self.devices.put, values)
        return self._own[key]

    def ahead(self, data: Data) -> Data:
        """Data whose coefficients in memories are computed, if they are not too many."""
        forward = self.forward[True]
        sizes = [int(np.prod(source.shape)) for source in forward.projected]
        if forward.plan.path != "last step" or 4 * data.n * sum(sizes) > MOST_BYTES:
            return data
        parts = [
            jax.tree.map(np.asarray, self.features(data.take(rows)["x"]))
            for rows in data.parts(max(self.size, AHEAD))
        ]
        features = {i: np.concatenate([part[i] for part in parts]) for i in parts[0]}
        arrays = {"features": features, **data.arrays}
        del arrays["x"]
        return Data(arrays, data.n, data.n_steps, data.lengths)


def key_of(seed: int) -> jax.Array:
    """Key of all random numbers."""
    return jax.random.key_data(jax.random.key(seed, impl="rbg"))
