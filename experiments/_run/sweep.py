"""Run another experiment over a grid of its options and over seeds, with Dask.

NAME is an experiment, and each `--grid OPTION=VALUE,VALUE...` one of its options with the
values to try; one value is allowed, and flags take true and false. Each combination is
run with each of the seeds, in a process of its own: on this machine's cores, or with
`--scheduler ADDRESS` on any Dask cluster whose workers were started in a clone of this
project. What a killed worker was at is run again. Results land in OUT/sweep_NAME.csv
(with --quick: sweep_NAME_quick.csv), a row for each run, as soon as they are there;
`--resume` runs only what is missing.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.progress import Progress
from rich.table import Table

from experiments._lib.common import console, told_plainly
from experiments._run._sweep_figure import draw
from lmu_nengo.io import write_atomically

THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class Seeds(click.ParamType):
    """Seeds as ``0:20`` (20 is left out) or ``1,5,7``."""

    name = "seeds"

    def convert(self, value, param, ctx):
        """List of seeds, or an error."""
        try:
            if ":" in value:
                seeds = list(range(*(int(part) for part in value.split(":"))))
            else:
                seeds = [int(part) for part in value.split(",")]
        except (TypeError, ValueError):
            seeds = []
        if not seeds:
            self.fail(f"got {value!r}, expected FIRST:END, or SEED,SEED...", param, ctx)
        return seeds


def read_grid(command, texts):
    """
    Check a grid against the options of an experiment.

    Parameters
    ----------
    command : click.Command
        The experiment.
    texts : iterable of str
        Each ``OPTION=VALUE,VALUE...``.

    Returns
    -------
    grid : dict of {str: list of str}
        Values of each option, as they stand on a command line.

    Raises
    ------
    click.UsageError
        If there is no such option, or a value is none of its values.
    """
    options = {param.opts[0].lstrip("-"): param for param in command.params}
    allowed = sorted(options.keys() - {"seed", "out", "quick", "resume"})
    grid = {}
    for text in texts:
        name, _, values = text.partition("=")
        name = name.lstrip("-").replace("_", "-")
        if name not in allowed or not values or name in grid:
            raise click.UsageError(
                f"--grid got {text!r}, expected OPTION=VALUE,VALUE..., each option once, "
                f"of: {', '.join(allowed)}."
            )
        option, grid[name] = options[name], values.split(",")
        for value in grid[name]:
            if option.multiple:
                value = [value]
            option.type_cast_value(click.Context(command), value)
    return grid


def arguments_of(command, values, seed, quick):
    """
    A command line.

    Parameters
    ----------
    command : click.Command
        The experiment.
    values : dict of {str: str}
        Value of each option.
    seed : int
        The seed.
    quick : bool
        Whether to run the short version.

    Returns
    -------
    arguments : list of str
        Behind the experiment's name.
    """
    flags = {param.opts[0].lstrip("-") for param in command.params if param.is_flag}
    arguments = [f"--seed={seed}"] + ["--quick"] * quick
    for name, value in values.items():
        if name not in flags:
            arguments.append(f"--{name}={value}")
        elif click.BOOL.convert(value, None, None):
            arguments.append(f"--{name}")
    return arguments


def run_task(name, arguments):
    """
    Run an experiment once, in a process of its own.

    Parameters
    ----------
    name : str
        The experiment.
    arguments : list of str
        Its options.

    Returns
    -------
    figures : dict of {str: float}
        What it measured.

    Raises
    ------
    RuntimeError
        If it failed, with its last words.
    """
    threads = {variable: os.environ.get(variable, "1") for variable in THREADS}
    with tempfile.TemporaryDirectory() as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "experiments._run._sweep_task", name),
                *(*arguments, "--out", out),
            ],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **threads},
            stdin=subprocess.PIPE,  # closed by the system when this process ends
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        errors = process.stderr.read()
        process.stdin.close()
        if process.wait():
            raise RuntimeError(f"{name} {' '.join(arguments)}: {errors[-2000:]}")
        (path,) = Path(out).glob("*.json")
        return json.loads(path.read_text(encoding="utf-8"))["figures"]


def connect(scheduler, n_workers):
    """
    Connect to a cluster, or start one on this machine.

    Parameters
    ----------
    scheduler : str or None
        Address of a scheduler.
    n_workers : int or None
        Processes on this machine; ``None`` is one a core.

    Returns
    -------
    client : distributed.Client
        Closes what it started.
    """
    from distributed import Client, LocalCluster

    if scheduler is None:
        cluster = LocalCluster(
            n_workers=n_workers or os.cpu_count(),
            threads_per_worker=1,
            dashboard_address=None,
            host="127.0.0.1",
        )
        return Client(cluster)
    try:
        return Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"found no Dask scheduler at {scheduler}: {error}. Start one with "
            "`dask scheduler`, and workers in a clone of this project with "
            "`dask worker ADDRESS --nthreads 1`."
        ) from error


def read_table(path, keys):
    """
    Rows of an earlier run.

    Parameters
    ----------
    path : pathlib.Path
        The table.
    keys : list of str
        Columns that say what was run.

    Returns
    -------
    rows : list of dict
        Options, the seed and figures.

    Raises
    ------
    click.ClickException
        If it is of another sweep.
    """
    table = pd.read_csv(path, dtype={name: str for name in keys})
    if list(table.columns[: len(keys)]) != keys:
        raise click.ClickException(
            f"{path} has columns {list(table.columns)}, expected {keys} first. It is of "
            "another sweep: give another --out, or leave out --resume."
        )
    return table.to_dict("records")


def write_table(path, rows):
    """Write the table atomically."""
    write_atomically(path, pd.DataFrame(rows).to_csv(index=False).encode())


def run_all(client, name, tasks, rows, path):
    """
    Run tasks on a cluster; the table grows with each.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    name : str
        The experiment.
    tasks : list of (dict, list of str)
        What each row says, and the options of the experiment.
    rows : list of dict
        Rows that are there; new ones are added.
    path : pathlib.Path
        The table.

    Returns
    -------
    failures : list of str
        Last words of what failed.
    """
    from distributed import as_completed

    failures = []
    futures = {
        client.submit(run_task, name, arguments, pure=False): keys
        for keys, arguments in tasks
    }
    with Progress(console=console) as progress:
        bar = progress.add_task(name, total=len(tasks))
        for future in as_completed(futures):
            keys = futures[future]
            try:
                rows.append({**keys, **future.result()})
                write_table(path, rows)
            except Exception as error:  # of one run; the others go on
                failures.append(f"{keys}: {error}")
            progress.update(bar, advance=1)
    return failures


@click.command(help=__doc__)
@click.argument("name")
@click.option("--grid", multiple=True, metavar="OPTION=VALUE,...", help="May be repeated.")
@click.option("--seeds", type=Seeds(), default="0:3", show_default=True)
@click.option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster.")
@click.option("--workers", type=click.IntRange(1), help="Processes here; default a core.")
@click.option("--measure", help="The figure to draw; default the first.")
@click.option("--resume", is_flag=True, help="Run only what is missing in the table.")
@click.option("--quick", is_flag=True, help="Short versions, to see that it works.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder for the table and its figure.",
)
def main(name, grid, seeds, scheduler, workers, measure, resume, quick, out):
    """Run the sweep."""
    from experiments.__main__ import main as experiments

    context = click.get_current_context()
    command = None if name == "sweep" else experiments.get_command(context, name)
    if command is None:
        names = [n for n in experiments.list_commands(context) if n != "sweep"]
        raise click.UsageError(f"got {name!r}, expected one of {', '.join(names)}.")
    grid = read_grid(command, grid)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"sweep_{name}{'_quick' * quick}.csv"
    keys = [*grid, "seed"]
    rows = read_table(path, keys) if resume and path.is_file() else []
    done = {tuple(str(row[key]) for key in keys) for row in rows}
    tasks = []
    for values in itertools.product(*grid.values(), seeds):
        task = dict(zip(keys, map(str, values), strict=True))
        if tuple(task.values()) not in done:
            options = {key: task[key] for key in grid}
            tasks.append((task, arguments_of(command, options, task["seed"], quick)))
    console.print(f"{len(tasks)} runs, {len(done)} done before.")
    failures = []
    if tasks:
        client = connect(scheduler, workers)
        try:
            with told_plainly():
                failures = run_all(client, name, tasks, rows, path)
        finally:
            if scheduler is None:
                client.cluster.close()
            client.close()
    if rows:
        rows.sort(key=lambda row: place(row, grid))
        write_table(path, rows)
        figures = dict.fromkeys(figure for row in rows for figure in row)
        figures = [figure for figure in figures if figure not in keys]
        if measure and measure not in figures:
            failures.append(f"--measure got {measure!r}, expected one of {figures}.")
            measure = None
        summarize(pd.DataFrame(rows), list(grid), measure or figures[0], name, path)
    if failures:
        raise click.ClickException("\n".join(["Not all went well:", *failures]))


def place(row, grid):
    """Where a row stands in the table: by the grid, values of earlier runs first."""
    places = [
        values.index(row[option]) if row[option] in values else -1
        for option, values in grid.items()
    ]
    return [*places, int(row["seed"])]


def summarize(table, options, measure, name, path):
    """
    Print mean and spread over seeds, and draw them.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each run.
    options : list of str
        Columns of the grid.
    measure : str
        The figure to show.
    name : str
        The experiment.
    path : pathlib.Path
        Of the table; the figure goes beside it.
    """
    varied = [option for option in options if table[option].nunique() > 1]
    groups = table.groupby(varied, sort=False) if varied else [((), table)]
    shown = Table(*varied, "runs", "mean", "standard deviation", title=f"{name}: {measure}")
    for values, part in groups:
        spread = part[measure].std(ddof=0)
        numbers = len(part), f"{part[measure].mean():.6g}", f"{spread:.2g}"
        shown.add_row(*map(str, (*np.atleast_1d(values), *numbers)))
    console.print(shown)
    draw(table, varied, measure, name, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")
