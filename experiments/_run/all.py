"""Run all experiments, two at a time, and print measured beside published figures.

own_data and neurobench are left out: they need environments of their own.

The full versions take hours; `--quick` runs the small ones. `--resume` skips what already
has its JSON file in `--out`.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import click
from rich.progress import Progress
from rich.table import Table

from experiments._lib.command_line import (
    NEEDED,
    TORCH,
    NotInstalled,
    console,
    plain_errors,
    shared_options,
)
from experiments._lib.results import read_json

AT_A_TIME = 2
# the last two in environments of their own
NOT_RUN = ("all", "sweep", "own_data", "neurobench")


def run(name, options, out):
    """
    Run one experiment in a process of its own; its output goes to NAME.log.

    Parameters
    ----------
    name : str
        The experiment.
    options : list of str
        Its options.
    out : pathlib.Path
        Folder for its files.

    Returns
    -------
    code : int
        Exit code; 0 is success.
    seconds : float
        How long it took.
    """
    started = time.perf_counter()
    with open(out / f"{name}.log", "w", encoding="utf-8") as log:
        done = subprocess.run(
            [sys.executable, "-m", "experiments", name, *options, "--out", str(out)],
            cwd=Path(__file__).parents[2],
            env={"OMP_NUM_THREADS": "1", **os.environ},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode, time.perf_counter() - started


@click.command(help=__doc__)
@click.option("--resume", is_flag=True, help="Skip experiments that are done.")
@shared_options
def main(resume, quick, seed, out):
    """Run the experiments."""
    from experiments.__main__ import NAMES

    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    names = [name for name in NAMES if name not in NOT_RUN]
    options = [f"--seed={seed}"] + ["--quick"] * quick
    waiting = [n for n in names if not (resume and is_done(out / f"{n}.json", seed, quick))]
    failed, left_out = [], []
    with (
        plain_errors(),
        ThreadPoolExecutor(AT_A_TIME) as pool,
        Progress(console=console) as progress,
    ):
        bar = progress.add_task("experiments", total=len(waiting))
        runs = {pool.submit(run, name, options, out): name for name in waiting}
        try:
            for future in as_completed(runs):
                code, seconds = future.result()
                name = runs[future]
                progress.console.print(f"{name}: {seconds:.0f} s")
                progress.update(bar, advance=1)
                if code == NotInstalled.exit_code:
                    left_out.append(name)
                elif code:
                    failed.append(name)
        except KeyboardInterrupt:  # or all waiting experiments would still be run
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    table = Table("experiment", "figure", "measured", "published", title="all experiments")
    for name in names:
        path = out / f"{name}.json"
        if name in (*failed, *left_out) or not path.is_file():
            continue
        result = read_json(path)
        for figure, published in result["reference"].items():
            value = result["figures"].get(figure)
            if value is not None:
                table.add_row(name, figure, f"{value:.6g}", f"{published:g}")
    console.print(table)
    if left_out:
        console.print(f"Left out, as they need what is missing: {', '.join(left_out)}.")
        console.print(f"NengoDL: {NEEDED}. PyTorch: {TORCH}.")
    if failed:
        logs = ", ".join(str(out / f"{name}.log") for name in failed)
        raise click.ClickException(f"{len(failed)} experiments failed; see {logs}.")


def is_done(path, seed, quick):
    """Whether a JSON file was written by a run with these options."""
    if not path.is_file():
        return False
    result = read_json(path)
    return (result.get("seed"), result.get("quick")) == (seed, quick)
