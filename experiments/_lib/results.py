"""What every experiment leaves behind: a table on the console and a JSON file."""

import importlib.metadata
import json
import platform
import time

from rich.table import Table

from experiments._lib.command_line import console
from lmu_nengo.io import write_atomically

PACKAGES = ("jax", "lmu-nengo", "nengo", "nengo-dl", "numpy", "scipy", "tensorflow")
STARTED = time.perf_counter()


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
    Print the measured figures beside the published ones, and write them as JSON.

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
        How it was measured; for the JSON file only.
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
