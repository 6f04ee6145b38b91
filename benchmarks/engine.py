"""Speed of the compiled engine against core Nengo, NengoDL, NengoOCL, Brian 2 and NEST.

All run the same spiking memory (theta 1 s, synapses of 0.1 s, steps of 1 ms, white noise of
rms 0.3 up to 1 Hz), each in a process of its own that is idle while another is timed. They
take turns; a turn is up to --steps steps, or fewer if these take more than --limit seconds.
Printed are the medians over the rounds:

\b
- microseconds for a step of one sequence, and how many times longer that is than the
  engine takes (median and range of the ratios within a round);
- NRMSE: error of the signal, delayed by 1 s, against that of an exact memory, over the
  first --record steps; left out where these would take too long;
- seconds to build the simulator, and to compile.

Then, in three rounds, times against the number of neurons, the batch and the order.

\b
- engine: lmu_nengo.engine.Simulator in single precision;
- core: nengo.Simulator;
- NengoDL: its loop, with 1 or 20 steps unrolled, whichever is faster;
- NengoOCL: on a graphics card, or on the processor through PoCL;
- Brian2: the factored weights in a C++ program, in single or double precision, for 10,000
  neurons or more with or without OpenMP, whichever is fastest; its neurons compute what
  Nengo's do;
- Brian2, own LIF: with LIF neurons as in its documentation, which spike on the grid;
- NEST: full weights, iaf_psc_exp on the grid, 1 thread or --threads, whichever is faster.

Neurons on the grid have decoders that were solved for such neurons. A simulator without
batches runs one sequence at a time; beside a batch, only core and Brian2 do. One that is
not installed is left out. Each can have an environment of its own, such as the last two:

\b
    python3.11 -m venv peers
    peers/bin/pip install "brian2==2.9.0" "nest-simulator==3.10.0" "numpy<2.4"
    python benchmarks/engine.py --peer-python Brian2=peers/bin/python \\
        --peer-python NEST=peers/bin/python

and for the others, with the extra jax, dl or ocl:

\b
    python3.11 -m venv dl && dl/bin/pip install -e ".[dl]"
    python benchmarks/engine.py --peer-python NengoDL=dl/bin/python

Brian 2 needs a C++ compiler.
"""

import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
from engine_figure import draw
from engine_network import as_arrays, exact

import lmu_nengo

FOLDER = Path(__file__).parent
NENGO, BRIAN2, NEST = (f"engine_{name}_peer.py" for name in ("nengo", "brian2", "nest"))
WITH_BATCHES = ("engine", "engine on the processor", "NengoDL")
ON_GRID = ("Brian2, own LIF", "NEST")
PARALLEL = 10000  # neurons from which on OpenMP is tried; it is far slower for few
TRIALS = 3  # turns of each way to run a contestant, to choose the fastest
RECTIFIED = "SpikingRectifiedLinear"


@dataclasses.dataclass(frozen=True)
class Task:
    """A network to time; ``neurons`` is the name of Nengo's type."""

    order: int
    n_neurons: int
    neurons: str = RECTIFIED
    batch: int = 1

    def __str__(self):
        return f"order {self.order}, {self.n_neurons} {self.neurons}, batch {self.batch}"


SIZES = ((6, 1000, "LIF"), (6, 1000), (27, 2000), (6, 20000))
TASKS = [Task(*size) for size in SIZES]
TASKS += [dataclasses.replace(task, batch=100) for task in TASKS]
GROWTH = {
    "neurons": [Task(6, n) for n in (250, 1000, 4000, 20000)],
    "batch": [Task(6, 1000, batch=batch) for batch in (1, 10, 100, 1000)],
    "order": [Task(order, 2000) for order in (3, 6, 12, 24, 48)],
}
QUICK = {
    "tasks": [Task(6, 1000, "LIF"), Task(6, 1000, batch=10)],
    "neurons": [Task(6, n) for n in (250, 1000)],
    "batch": [Task(6, 1000, batch=batch) for batch in (1, 10)],
    "order": [Task(order, 1000) for order in (3, 6)],
}


def variants(name, task, threads):
    """
    Return how a contestant can run a task; the fastest way counts.

    Returns
    -------
    variants : list of tuple
        Script, distribution whose version is given, and the options of the job.
    """
    if name == "Brian2":
        return [
            (BRIAN2, "brian2", dict(float32=single, threads=n, own_neurons=False))
            for single in (False, True)
            for n in ((0, threads) if task.n_neurons >= PARALLEL else (0,))
        ]
    if name == "Brian2, own LIF":
        return [
            (BRIAN2, "brian2", dict(float32=single, threads=0, own_neurons=True))
            for single in (False, True)
        ]
    if name == "NEST":
        return [
            (NEST, "nest-simulator", {"threads": n})
            for n in sorted({1, threads}, reverse=True)
        ]
    if name == "NengoDL":
        return [(NENGO, "nengo-dl", {"simulator": "dl", "unroll": n}) for n in (1, 20)]
    simulator, distribution = {
        "engine": ("engine", "jax"),
        "engine on the processor": ("engine", "jax"),
        "core": ("core", "nengo"),
        "NengoOCL": ("ocl", "nengo-ocl"),
    }[name]
    return [(NENGO, distribution, {"simulator": simulator})]


NAMES = ("engine", "core", "NengoDL", "NengoOCL", "Brian2", "Brian2, own LIF", "NEST")


class LeftOut(RuntimeError):
    """A contestant that cannot be run, and why."""


class Runner:
    """
    A contestant's process.

    Parameters
    ----------
    python : str
        Path of its Python.
    script : str
        File in this folder.
    job : dict
        What it shall do; see `engine_turns.serve`.
    settings : dict
        Environment variables.

    Raises
    ------
    LeftOut
        If it is not installed or fails.
    """

    def __init__(self, python, script, job, settings):
        self.times = []
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [python, str(FOLDER / script), json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env={**os.environ, **settings},
        )
        self.facts = self.answer()
        if "missing" in self.facts:
            self.close()
            raise LeftOut(self.facts["missing"])

    def answer(self):
        """Wait for what the process says next."""
        for line in self.process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines() or ["it ended early"]
        self.close()
        raise LeftOut(lines[-1])

    def turn(self):
        """Run one more turn; return microseconds a step."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.times.append(self.answer()["us"])
        return self.times[-1]

    def close(self):
        """End the process."""
        self.process.communicate()
        self.errors.close()


class Benchmark:
    """
    Times contestants in turns.

    Parameters
    ----------
    pythons : dict
        Path of a contestant's Python, where it is not this one.
    settings : dict
        The options of the command line.
    folder : Path
        For temporary files.
    """

    def __init__(self, pythons, settings, folder):
        self.pythons, self.settings, self.folder = pythons, settings, folder
        self.left_out = set()  # not installed, and said so

    def compare(self, task, names, rounds, record=True):
        """
        Time one task.

        Parameters
        ----------
        task : Task
        names : sequence of str
            The contestants.
        rounds : int
            Number of turns of each.
        record : bool
            Whether to measure errors, and to look for the fastest way to run a contestant;
            otherwise the first is taken.

        Returns
        -------
        rows : dict
            For each contestant that ran, its figures.
        """
        click.echo(f"\n{task}")
        runners = {}
        for name in names:
            if name == "Brian2, own LIF" and task.neurons != "LIF":
                continue
            try:
                runners[name] = self.start(name, task, record)
            except LeftOut as reason:
                if (name, str(reason)) not in self.left_out:
                    click.echo(f"  {name} is left out: {reason}")
                self.left_out.add((name, str(reason)))
        for _ in range(rounds):
            for runner in runners.values():
                runner.turn()
        rows = {name: self.row(name, runner, task) for name, runner in runners.items()}
        for runner in runners.values():
            runner.close()
        for name, row in rows.items():
            compare_times(row, rows.get("engine", rows[name]))
            click.echo(line(name, row))
        return rows

    def start(self, name, task, record):
        """Start the fastest variant of a contestant; return its `Runner`."""
        best = None
        ways = variants(name, task, self.settings["threads"])
        if not record or self.settings["quick"]:
            ways = ways[:1]
        for script, distribution, options in ways:
            options = dict(options)
            job = {
                **dataclasses.asdict(task),
                "simulator": options.pop("simulator", None),
                "options": options,
                "distribution": distribution,
                "arrays": str(self.arrays(name, task)) if script != NENGO else None,
                "path": str(self.folder / f"{name}.npy"),
                **{key: self.settings[key] for key in ("steps", "rounds", "limit")},
                "record": self.settings["record"] if record and task.batch == 1 else 0,
            }
            if name not in WITH_BATCHES:
                job["batch"] = 1
            python = self.pythons.get(name.split(",")[0], sys.executable)
            try:
                runner = Runner(python, script, job, self.environment(name))
            except LeftOut:
                if best is None:
                    raise
                continue  # another way was found
            for _ in range(TRIALS if len(ways) > 1 else 0):
                runner.turn()
            runner.error = None
            if runner.facts["recorded"]:
                output = np.load(job["path"])
                target = exact(task.order, len(output))
                runner.error = lmu_nengo.signal.nrmse(output, target)
            if best is None or min(runner.times) < min(best.times):
                best, runner = runner, best
            if runner is not None:
                runner.close()
        best.times.clear()
        return best

    def environment(self, name):
        """Environment variables of a contestant's process."""
        threads = str(self.settings["threads"])
        on_gpu = self.settings["device"] == "gpu" and name != "engine on the processor"
        return {
            "JAX_PLATFORMS": "cuda" if on_gpu and name == "engine" else "cpu",
            "OMP_NUM_THREADS": threads,
            "TF_NUM_INTRAOP_THREADS": threads,
            "TF_NUM_INTEROP_THREADS": threads,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **({} if on_gpu else {"CUDA_VISIBLE_DEVICES": ""}),
        }

    def arrays(self, name, task):
        """Save the network's arrays, once; return the path."""
        on_grid = name in ON_GRID
        path = self.folder / f"{task.order} {task.n_neurons} {task.neurons} {on_grid}.npz"
        if not path.exists():
            np.savez(path, **as_arrays(task.n_neurons, task.order, task.neurons, on_grid))
        return path

    def row(self, name, runner, task):
        """Return a contestant's figures."""
        batch = task.batch if name in WITH_BATCHES else 1
        facts = {key: runner.facts[key] for key in ("about", "version", "n_steps")}
        return {
            "microseconds": [us / batch for us in runner.times],
            "nrmse": runner.error,
            "build_s": runner.facts["build_s"],
            "compile_s": runner.facts["compile_s"],
            **facts,
        }


def compare_times(row, base):
    """Add to a row its median time, and its ratios to another row."""
    row["median"] = statistics.median(row["microseconds"])
    pairs = zip(row["microseconds"], base["microseconds"], strict=True)
    ratios = [theirs / ours for theirs, ours in pairs]
    row["ratio"] = [statistics.median(ratios), min(ratios), max(ratios)]


def line(name, row):
    """Put a row into words."""
    ratio, low, high = row["ratio"]
    error = "" if row["nrmse"] is None else f"{row['nrmse']:.3f}"
    about = f"  ({row['about']})" if row["about"] else ""
    return (
        f"  {name:24s}{row['median']:10.4g} us  x {ratio:<6.3g} ({low:.3g} to {high:.3g})"
        f"  NRMSE {error:5s}  build {row['build_s']:.2g} s"
        f"  compile {row['compile_s']:.2g} s" + about
    )


def find_gpu(python):
    """Return the name of the first GPU that JAX sees in an environment, or None."""
    script = "import jax; print(jax.devices('gpu')[0].device_kind)"
    found = subprocess.run([python, "-c", script], capture_output=True, text=True)
    return found.stdout.strip() or None if found.returncode == 0 else None


def parse_pythons(_context, _parameter, values):
    """Read NAME=PATH."""
    pythons = {}
    for value in values:
        name, _, path = value.partition("=")
        if name not in NAMES or not path:
            names = ", ".join(name for name in NAMES if "," not in name)
            raise click.BadParameter(
                f"must be NAME=PATH with a NAME of {names}, got {value!r}."
            )
        pythons[name] = path
    return pythons


def parse_list(allowed):
    """Return a callback that reads names separated by semicolons."""

    def read(_context, _parameter, value):
        names = [name.strip() for name in value.split(";")]
        if not set(names) <= set(allowed):
            raise click.BadParameter(
                f"must be some of {'; '.join(allowed)}, got {value!r}."
            )
        return names

    return read


@click.command(help=__doc__)
@click.option(
    "--contestants",
    default="; ".join(NAMES),
    show_default=True,
    callback=parse_list(NAMES),
    help="Whom to time.",
)
@click.option(
    "--parts",
    default="; ".join(("tasks", *GROWTH)),
    show_default=True,
    callback=parse_list(("tasks", *GROWTH)),
    help="What to time.",
)
@click.option(
    "--only",
    metavar="TEXT",
    default="",
    help='Networks to time: those whose title contains it, such as "LIF, batch 100".',
)
@click.option("--steps", default=100000, show_default=True, help="Most steps of a turn.")
@click.option("--limit", default=2.0, show_default=True, help="Most seconds of a turn.")
@click.option("--record", default=20000, show_default=True, help="Steps of the NRMSE.")
@click.option("--rounds", default=7, show_default=True, help="Number of rounds.")
@click.option(
    "--threads", default=os.cpu_count(), show_default=True, help="Threads of each."
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "gpu"]),
    default="cpu",
    show_default=True,
    help="Where the engine runs; others use a GPU too if they can.",
)
@click.option(
    "--peer-python",
    "pythons",
    multiple=True,
    metavar="NAME=PATH",
    callback=parse_pythons,
    help="The Python of a contestant; this one by default.",
)
@click.option("--quick", is_flag=True, help="Few short turns of small networks.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
@click.option("--figure", type=click.Path(path_type=Path), help="Picture to draw.")
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True),
    help="JSON file of an earlier run to draw, instead of timing.",
)
def main(
    contestants, parts, only, device, pythons, quick, out, figure, results, **settings
):
    """Take turns; print times, ratios and errors."""
    if results:
        draw(json.loads(results.read_text()), figure or results.with_suffix(".svg"))
        return
    settings.update(device=device, quick=quick)
    if quick:
        settings.update(steps=1000, record=2000, rounds=2, limit=0.5)
    cases = QUICK if quick else {"tasks": TASKS, **GROWTH}
    hardware = None
    if device == "gpu":
        hardware = find_gpu(pythons.get("engine", sys.executable))
        if hardware is None:
            click.echo(
                "JAX sees no GPU here. Install the extra jax-gpu on a machine that has "
                "one, or use --device cpu."
            )
            return
        contestants.insert(1, "engine on the processor")
    found = {
        "settings": settings,
        "machine": {
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "gpu": hardware,
        },
    }
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Benchmark(pythons, settings, Path(folder))
        for part in parts:
            if part != "tasks":
                click.echo(f"\nGrowth with {part}")
            found[part] = []
            for task in (task for task in cases[part] if only in str(task)):
                names = taking_part(contestants, part, task)
                rounds = (
                    settings["rounds"] if part == "tasks" else min(settings["rounds"], 3)
                )
                rows = benchmark.compare(task, names, rounds, record=part == "tasks")
                case = dataclasses.asdict(task)
                found[part].append({**case, "contestants": rows})
                if out:
                    out.write_text(json.dumps(found, indent=1) + "\n")
    if figure:
        draw(found, figure)


def taking_part(names, part, task):
    """Leave out who would take too long, or of whom other tasks say the same."""
    if task.batch > 1 or part == "batch":
        return [name for name in names if name in (*WITH_BATCHES, "core", "Brian2")]
    if part in GROWTH and task.n_neurons * task.order > 24000:
        return [name for name in names if name != "NEST"]
    return names


if __name__ == "__main__":
    main()
