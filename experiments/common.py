"""What every experiment shares: options, the table, the JSON file."""

import importlib.metadata
import json
import platform
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

PACKAGES = ("lmu-nengo", "nengo", "nengo-dl", "numpy", "scipy", "tensorflow")

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


def versions():
    """Versions of Python and of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def report(experiment, seed, quick, figures, reference, out):
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

    Returns
    -------
    path : pathlib.Path
        The JSON file.
    """
    table = Table(title=experiment)
    for column in ("figure", "measured", "published"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, value in figures.items():
        published = reference.get(name)
        table.add_row(name, f"{value:.6g}", "" if published is None else f"{published:g}")
    console.print(table)
    path = out / f"{experiment}.json"
    result = {
        "experiment": experiment,
        "seed": seed,
        "quick": quick,
        "versions": versions(),
        "figures": figures,
        "reference": reference,
    }
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return path
