"""What training reports."""

from collections.abc import Mapping


class History:
    """
    What training reports.

    Attributes
    ----------
    history : dict of {str: list of float}
        The losses and metrics of each epoch.
    epoch : list of int
        The epochs.

    Examples
    --------
    >>> from lmu_nengo.training.jax import History
    >>> history = History()
    >>> history.add(0, {"loss": 0.5})
    >>> history.history
    {'loss': [0.5]}
    """

    def __init__(self):
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def add(self, epoch: int, logs: Mapping) -> None:
        """
        Add an epoch.

        Parameters
        ----------
        epoch : int
            Its number.
        logs : dict of {str: float}
            Its losses and metrics.
        """
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
