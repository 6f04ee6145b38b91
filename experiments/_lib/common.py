"""What every experiment shares: options, parallel runs, the table, the JSON file."""

import importlib.metadata
import json
import os
import platform
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import click
import nengo
from nengo.exceptions import ValidationError
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lmu_nengo.io import write_atomically

PACKAGES = ("lmu-nengo", "nengo", "nengo-dl", "numpy", "scipy", "tensorflow")

MAX_WORKERS = 4
# of Poisson neurons that share a random generator; of tasks whose order was published
HARMLESS = ("Extra state has been modified", "the expected input reaches")

STARTED = time.perf_counter()

console = Console()


def shared_options(command):
    """Add the options ``--quick``, ``--seed`` and ``--out`` to a command."""
    for option in (
        click.option(
            "--out",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("results"),
            show_default=True,
            help="Folder for the JSON file and the figure.",
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Seed of everything."
        ),
        click.option(
            "--quick", is_flag=True, help="A small version, to see that it works."
        ),
    ):
        command = option(command)
    return command


@contextmanager
def told_plainly():
    """Tell an interruption, or what training refuses, in a line instead of a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.ClickException(
            "Stopped. The same command with --resume goes on."
        ) from None
    except ValidationError as error:
        raise click.ClickException(str(error)) from error


def refuse_given(options, why):
    """
    Refuse options that would be ignored.

    Parameters
    ----------
    options : iterable of str
        Names of the running command's options.
    why : str
        The reason.

    Raises
    ------
    click.UsageError
        If one of them was given.
    """
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    given = [name for name in options if context.get_parameter_source(name) != default]
    if given:
        names = ", ".join("--" + name.replace("_", "-") for name in given)
        raise click.UsageError(f"{why}: leave out {names}.")


def run_many(function, arguments, description):
    """
    Call a function many times, on up to four cores.

    Parameters
    ----------
    function : callable
        Of a module, so that other processes find it.
    arguments : list of tuple
        Positional arguments of each call.
    description : str
        Stands beside the progress bar.

    Returns
    -------
    results : list
        In the order of the arguments.
    """
    n_workers = min(MAX_WORKERS, os.cpu_count() or 1, len(arguments))
    functions = [function] * len(arguments)
    importlib.import_module("scipy.signal")  # once, not in every worker
    with ProcessPoolExecutor(n_workers, initializer=_prepare_worker) as pool:
        try:
            results = pool.map(_call, functions, arguments)
            return list(track(results, description, len(arguments), console=console))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _prepare_worker():
    """Leave out what processes would wait for, and warnings known to be harmless."""
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    threadpool_limits(1)  # else the workers' linear algebra fights over the cores
    nengo.rc["decoder_cache"]["enabled"] = "False"
    for message in HARMLESS:
        warnings.filterwarnings("ignore", message)


def _call(function, arguments):
    """Call, with errors that can be sent to another process."""
    try:
        return function(*arguments)
    except ValidationError as error:
        raise RuntimeError(str(error)) from None


def versions():
    """Versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def report(experiment, seed, quick, figures, reference, out, settings=None, shown=None):
    """
    Print the figures beside the published ones and write them as JSON.

    Parameters
    ----------
    experiment : str
        Name of the experiment, and of the JSON file.
    seed : int
        Seed that was used.
    quick : bool
        Whether this was the small version.
    figures : dict of {str: float}
        What was measured.
    reference : dict of {str: float}
        Published figures under the same names, where there are any.
    out : pathlib.Path
        Folder to write to.
    settings : dict, optional
        How it was measured, for the JSON file only.
    shown : iterable of str, optional
        Names of the figures in the table; by default all.

    Returns
    -------
    path : pathlib.Path
        The JSON file.
    """
    table = Table(title=experiment)
    for column in ("figure", "measured", "published"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name in figures if shown is None else shown:
        value, published = figures[name], reference.get(name)
        table.add_row(name, f"{value:.6g}", "" if published is None else f"{published:g}")
    console.print(table)
    path = out / f"{experiment}.json"
    result = {
        "experiment": experiment,
        "seed": seed,
        "quick": quick,
        "seconds": round(time.perf_counter() - STARTED),
        "versions": versions(),
        "figures": figures,
        "reference": reference,
    }
    if settings is not None:
        result["settings"] = settings
    write_atomically(path, (json.dumps(result, indent=2) + "\n").encode())
    return path
