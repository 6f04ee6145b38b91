"""Run an experiment over a grid of its options and over seeds, in parallel with Dask.

NAME is an experiment. Each `--grid OPTION=VALUE,VALUE...` names one of its options with
the values to try; a single value is allowed, and flags take true and false. Every
combination is run with every seed, each in a process of its own: on the cores of this
machine, or with `--scheduler ADDRESS` on any Dask cluster whose workers have lmu_nengo
installed; the code of the experiments is sent to them. A run whose process or worker dies
is repeated. The results are written to
OUT/sweep_NAME.csv (with --quick: sweep_NAME_quick.csv), one row for each run, as soon as
they arrive; `--resume` adds what is missing to them. A table is never overwritten, and only
one sweep at a time may write to it.
"""

import io
import itertools
import logging
import os
import zipfile
from functools import partial
from pathlib import Path

import click
import cloudpickle
import numpy as np
import pandas as pd
from rich.progress import Progress
from rich.table import Table

from experiments._lib.command_line import console, only_writer, plain_errors
from experiments._run import _sweep_remote
from experiments._run._sweep_figure import draw
from experiments._run._sweep_remote import run_task
from lmu_nengo.io import write_atomically

TIMEOUT = 10  # seconds to find a scheduler
cloudpickle.register_pickle_by_value(_sweep_remote)  # workers cannot import it


class Seeds(click.ParamType):
    """Seeds as ``0:20`` (without 20) or ``1,5,7``."""

    name = "seeds"

    def convert(self, value, param, ctx):
        """Return a list of seeds, or fail."""
        try:
            if ":" in value:
                seeds = list(range(*(int(part) for part in value.split(":"))))
            else:
                seeds = [int(part) for part in value.split(",")]
        except (TypeError, ValueError):
            seeds = []
        if not seeds:
            self.fail(f"must be FIRST:END or SEED,SEED..., got {value!r}.", param, ctx)
        return seeds


def read_grid(command, texts):
    """
    Check a grid against the options of an experiment.

    Parameters
    ----------
    command : click.Command
        The experiment.
    texts : iterable of str
        Each has the form ``OPTION=VALUE,VALUE...``.

    Returns
    -------
    grid : dict of {str: list of str}
        Values of each option, as on a command line.

    Raises
    ------
    click.UsageError
        If there is no such option, it is given twice, or a value is not allowed.
    """
    options = {param.opts[0].lstrip("-"): param for param in command.params}
    allowed = sorted(options.keys() - {"seed", "out", "quick", "resume"})
    grid = {}
    for text in texts:
        name, _, values = text.partition("=")
        name = name.lstrip("-").replace("_", "-")
        if name not in allowed or not values or name in grid:
            raise click.UsageError(
                f"--grid must be OPTION=VALUE,VALUE..., with each option only once, got "
                f"{text!r}. Options of this experiment: {', '.join(allowed)}."
            )
        option, grid[name] = options[name], values.split(",")
        for value in grid[name]:
            if option.multiple:
                value = [value]
            option.type_cast_value(click.Context(command), value)
    return grid


def arguments_of(command, values, seed, quick):
    """
    Build the command line of one run.

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
        What follows the experiment's name.
    """
    flags = {param.opts[0].lstrip("-") for param in command.params if param.is_flag}
    arguments = [f"--seed={seed}"] + ["--quick"] * quick
    for name, value in values.items():
        if name not in flags:
            arguments.append(f"--{name}={value}")
        elif click.BOOL.convert(value, None, None):
            arguments.append(f"--{name}")
    return arguments


def packed_code():
    """Zip archive of the package ``experiments``, as bytes."""
    root, content = Path(__file__).parents[2], io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((root / "experiments").rglob("*.py")):
            archive.write(path, path.relative_to(root))
    return content.getvalue()


def connect(scheduler, n_workers):
    """
    Connect to a cluster, or start one on this machine.

    Parameters
    ----------
    scheduler : str or None
        Address of a scheduler.
    n_workers : int or None
        Number of processes on this machine; ``None`` is one for each core.

    Returns
    -------
    client : distributed.Client
        A client of the cluster.
    """
    from distributed import Client, LocalCluster

    if scheduler is None:
        n_workers = n_workers or os.cpu_count()
        cluster = LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            dashboard_address=None,
            host="127.0.0.1",
        )
        cluster.adapt(minimum=n_workers, maximum=n_workers)  # replaces those that end
        return Client(cluster)
    try:
        return Client(scheduler, timeout=TIMEOUT)
    except (OSError, ValueError) as error:
        raise click.ClickException(
            f"There is no Dask scheduler at {scheduler} ({error}). Start one with "
            "`dask scheduler`, and its workers, where lmu_nengo is installed, with "
            "`dask worker ADDRESS --nthreads 1`."
        ) from error


def read_table(path, keys):
    """
    Read the rows of an earlier run.

    Parameters
    ----------
    path : pathlib.Path
        The table.
    keys : list of str
        Columns that identify a run.

    Returns
    -------
    rows : list of dict
        Options, seed and figures of each run.

    Raises
    ------
    click.ClickException
        If the table belongs to another sweep.
    """
    try:
        table = pd.read_csv(path, dtype={name: str for name in keys})
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise click.ClickException(
            f"{path} is not the table of a sweep ({error}). Move it away, or give another "
            "--out."
        ) from error
    if list(table.columns[: len(keys)]) != keys:
        raise click.ClickException(
            f"{path} belongs to another sweep: its first columns must be "
            f"{', '.join(keys)}, got {', '.join(table.columns[: len(keys)])}. Give "
            "another --out."
        )
    whole = (
        table[keys].notna().all(axis=None) and table["seed"].str.fullmatch(r"-?\d+").all()
    )
    if not whole:
        raise click.ClickException(
            f"{path} is damaged: every row must have {', '.join(keys)}. Delete the rows "
            "that lack one, or give another --out."
        )
    return table.to_dict("records")


def write_table(path, rows):
    """Write the table atomically."""
    table = pd.DataFrame(rows)
    write_atomically(path, table.to_csv(index=False).encode())


def run_all(client, name, tasks, rows, path, run):
    """
    Run tasks on a cluster, and add a row to the table after each.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    name : str
        The experiment.
    tasks : list of (dict, list of str)
        For each run, the columns that identify it and its command line.
    rows : list of dict
        Existing rows; new ones are appended.
    path : pathlib.Path
        The table.
    run : callable
        ``run(name, arguments)`` returns the figures of a run; it is called on the cluster.

    Returns
    -------
    failures : list of str
        Error messages of the runs that failed.
    """
    from distributed import as_completed
    from distributed.client import FutureCancelledError

    # it prints tracebacks if the scheduler is lost, which is said below
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    logging.getLogger("distributed.utils").setLevel(logging.CRITICAL)
    failures = []
    futures = {
        client.submit(run, name, arguments, pure=False): keys for keys, arguments in tasks
    }
    with Progress(console=console) as progress:
        bar = progress.add_task(name, total=len(tasks))
        for future in as_completed(futures):
            keys = futures[future]
            try:
                rows.append({**keys, **future.result()})
            except FutureCancelledError as error:  # nothing here cancels
                raise click.ClickException(
                    "The Dask scheduler was lost. What was done is in the table: start a "
                    "scheduler, and run the same command with --resume."
                ) from error
            except Exception as error:  # the other runs continue
                failures.append(f"{keys}: {error}")
            else:
                write_table(path, rows)
            progress.update(bar, advance=1)
    return failures


@click.command(help=__doc__)
@click.argument("name")
@click.option(
    "--grid",
    multiple=True,
    metavar="OPTION=VALUE,...",
    help="Option and its values; may be repeated.",
)
@click.option(
    "--seeds",
    type=Seeds(),
    default="0:3",
    show_default=True,
    help="FIRST:END (without END) or SEED,SEED...",
)
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask scheduler.")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Number of processes here. Default: one for each core.",
)
@click.option("--measure", help="Figure to draw. Default: the first.")
@click.option("--resume", is_flag=True, help="Run only what the table lacks.")
@click.option("--quick", is_flag=True, help="Run the small version, as a check.")
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
        raise click.UsageError(f"NAME must be one of {', '.join(names)}, got {name!r}.")
    grid = read_grid(command, grid)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"sweep_{name}{'_quick' * quick}.csv"
    keys = [*grid, "seed"]
    context.with_resource(only_writer(path))
    if path.exists() and not resume:
        raise click.UsageError(
            f"{path} exists. Add --resume to run what it lacks, or give another --out."
        )
    rows = read_table(path, keys) if path.exists() else []
    done = {tuple(str(row[key]) for key in keys) for row in rows}
    tasks = []
    for values in itertools.product(*grid.values(), seeds):
        task = dict(zip(keys, map(str, values), strict=True))
        if tuple(task.values()) not in done:
            options = {key: task[key] for key in grid}
            tasks.append((task, arguments_of(command, options, task["seed"], quick)))
    console.print(f"{len(tasks)} runs to do, {len(done)} already done.")
    failures = []
    if tasks:
        client = connect(scheduler, workers)
        try:
            with plain_errors():
                run = partial(run_task, code=packed_code(), folder=os.getcwd())
                failures = run_all(client, name, tasks, rows, path, run)
        finally:
            if scheduler is None:
                client.cluster.close()
            client.close()
    if rows:
        rows.sort(key=lambda row: position(row, grid))
        write_table(path, rows)
        figures = dict.fromkeys(figure for row in rows for figure in row)
        figures = [figure for figure in figures if figure not in keys]
        if measure and measure not in figures:
            failures.append(
                f"--measure must be one of {', '.join(figures)}, got {measure!r}."
            )
            measure = None
        summarize(pd.DataFrame(rows), list(grid), measure or figures[0], name, path)
    if failures:
        raise click.ClickException("\n".join(failures))


def position(row, grid):
    """Sort key of a row: by the grid, with values of earlier runs first."""
    positions = [
        values.index(row[option]) if row[option] in values else -1
        for option, values in grid.items()
    ]
    return [*positions, int(row["seed"])]


def summarize(table, options, measure, name, path):
    """
    Print the mean and standard deviation over seeds, and draw them.

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
        Path of the table; the figure is written beside it.
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
