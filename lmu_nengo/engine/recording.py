"""What probes recorded."""

import numpy as np
from nengo.simulator import SimulationData


class Recording:
    """
    The values of a probe, as they come in.

    Parameters
    ----------
    shape : tuple of int
        Shape of one value.
    dtype : dtype
        Its type.
    n_sequences : int or None
        Number of sequences in a batch.
    """

    def __init__(self, shape: tuple[int, ...], dtype, n_sequences: int | None):
        batch = () if n_sequences is None else (n_sequences,)
        self._axis = len(batch)
        self._pieces = [np.zeros((*batch, 0, *shape), dtype)]
        self._n_values = 0

    def __len__(self):
        return self._n_values

    def extend(self, values: np.ndarray) -> None:
        """Append values, of shape (n, *shape) or (n_sequences, n, *shape)."""
        if values.shape[self._axis]:
            self._pieces.append(values)
            self._n_values += values.shape[self._axis]

    def array(self) -> np.ndarray:
        """All values, read-only."""
        if len(self._pieces) > 1:
            self._pieces = [np.concatenate(self._pieces, axis=self._axis)]
        values = self._pieces[0].view()
        values.setflags(write=False)
        return values


class Data(SimulationData):
    """Nengo's view of the results and parameters, with recordings as arrays."""

    def __getitem__(self, key):
        value = self.raw[key]
        return value.array() if isinstance(value, Recording) else value
