"""Many runs of one function, on several cores."""

import importlib
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress

import nengo
from nengo.exceptions import ValidationError
from rich.progress import track

from experiments._lib.command_line import console

MAX_WORKERS = 4
# Poisson neurons share a random generator; published tasks go beyond the expected input
HARMLESS = ("Extra state has been modified", "the expected input reaches")


def use_all_cores():
    """Make each core a device of JAX, which divides batches among them, if it can be."""
    import jax

    with suppress(RuntimeError):  # JAX is in use already
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)


def run_many(function, arguments, description):
    """
    Call a function with many arguments, on up to four cores.

    Parameters
    ----------
    function : callable
        A function at the top level of a module, so that other processes can import it.
    arguments : list of tuple
        Positional arguments of each call.
    description : str
        Text beside the progress bar.

    Returns
    -------
    results : list
        In the order of the arguments.
    """
    n_workers = min(MAX_WORKERS, os.cpu_count() or 1, len(arguments))
    if n_workers == 1:
        with settings_of_a_worker():
            results = (function(*each) for each in arguments)
            return list(track(results, description, len(arguments), console=console))
    importlib.import_module("scipy.signal")  # once, not in every worker
    functions = [function] * len(arguments)
    with ProcessPoolExecutor(n_workers) as pool:
        try:
            results = pool.map(_call, functions, arguments)
            return list(track(results, description, len(arguments), console=console))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def settings_of_a_worker():
    """Use one thread, no cache that others may have locked, and no harmless warnings."""
    from threadpoolctl import threadpool_limits  # scikit-learn depends on it

    cached = nengo.rc["decoder_cache"]["enabled"]
    nengo.rc["decoder_cache"]["enabled"] = "False"
    try:
        # with more threads, the linear algebra of the workers would compete for the cores
        with threadpool_limits(1), warnings.catch_warnings():
            for message in HARMLESS:
                warnings.filterwarnings("ignore", message)
            yield
    finally:
        nengo.rc["decoder_cache"]["enabled"] = cached


def _call(function, arguments):
    """Call the function in a worker; its errors must survive pickling."""
    with settings_of_a_worker():
        try:
            return function(*arguments)
        except ValidationError as error:
            raise RuntimeError(str(error)) from None
