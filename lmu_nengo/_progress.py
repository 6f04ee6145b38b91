"""Progress of what can take long, shown as Nengo shows that of a simulation."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from nengo.utils.progress import Progress, ProgressBar, to_progressbar

SHORTEST = 5.0  # seconds; nothing is shown of what is finished before
INTERVAL = 0.1  # seconds between two updates

_is_shown = ContextVar("_is_shown", default=False)  # that of a whole, not of its parts


@contextmanager
def progress(name: str, n_steps: int = 1) -> Iterator[Callable[[int], None]]:
    """
    Show how far a computation is, and how long it takes, from the sixth second on.

    Nothing is shown of a computation that is part of one whose progress is shown, and
    nothing where nobody watches: it is shown in terminals and notebooks only.

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
    if _is_shown.get() or not _is_watched():
        yield lambda i: None
        return
    whole = Progress(f"Computing {name}", f"Computation of {name}", n_steps)

    def reach(i):
        whole.step(max(0, min(i, n_steps) - whole.n_steps))

    finished = threading.Event()
    arguments = whole, to_progressbar(True), finished
    thread = threading.Thread(target=_show, args=arguments, daemon=True)
    token = _is_shown.set(True)
    try:
        with whole:
            thread.start()
            yield reach
    finally:
        finished.set()
        thread.join()
        _is_shown.reset(token)


def _is_watched() -> bool:
    """Whether output goes to a terminal or a notebook, not to a file or another program."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return is_terminal or "ipykernel" in sys.modules


def _show(whole: Progress, bar: ProgressBar, finished: threading.Event) -> None:
    """Show progress until it is finished, if that takes long."""
    if finished.wait(SHORTEST):
        return
    while not finished.wait(INTERVAL):
        bar.update(whole)
    bar.update(whole)
    bar.close()
