"""Progress of what can take long, shown as Nengo shows that of a simulation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nengo.utils.progress import (
    AutoProgressBar,
    Progress,
    ProgressTracker,
    to_progressbar,
)

SHORTEST = 5.0  # seconds


class QuietProgressBar(AutoProgressBar):
    """Shows nothing of what is short, not even that it is finished."""

    def update(self, progress):
        if self._visible or not progress.finished:
            super().update(progress)

    def close(self):
        if self._visible:
            super().close()


@contextmanager
def progress(name: str, n_steps: int) -> Iterator[Callable[[int], None]]:
    """
    Show how far a computation is, and how long it takes, if that is more than 5 seconds.

    Parameters
    ----------
    name : str
        What is computed.
    n_steps : int
        Steps in all.

    Yields
    ------
    reach : callable
        ``reach(i)`` says that i steps are done.

    Examples
    --------
    >>> from lmu_nengo._progress import progress
    >>> with progress("series", 3) as reach:
    ...     for i in range(3):
    ...         reach(i + 1)
    """
    whole = Progress(f"Computing {name}", f"Computation of {name}", n_steps)
    bar = to_progressbar(True)
    if isinstance(bar, AutoProgressBar):
        bar = QuietProgressBar(bar.delegate, min_eta=SHORTEST)
    with ProgressTracker(bar, whole) as tracker:
        done = 0

        def reach(i):
            nonlocal done
            if i > done:
                tracker.total_progress.step(min(i, n_steps) - done)
                done = min(i, n_steps)

        yield reach
