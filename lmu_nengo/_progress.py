"""Progress of what can take long, shown as Nengo shows that of a simulation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nengo.utils.progress import Progress, ProgressTracker


@contextmanager
def progress(name: str, n_steps: int) -> Iterator[Callable[[int], None]]:
    """
    Show how far a computation is, and how long it takes, if that is more than a second.

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
    with ProgressTracker(True, whole) as tracker:
        done = 0

        def reach(i):
            nonlocal done
            if i > done:
                tracker.total_progress.step(min(i, n_steps) - done)
                done = min(i, n_steps)

        yield reach
