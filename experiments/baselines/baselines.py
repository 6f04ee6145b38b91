"""LSTM, GRU and simple RNN with searched settings beside an LMU, in the same time.

Tasks (--task, several times; by default all): "digits", scikit-learn's 8x8 digits pixel by
pixel; "rows", MNIST in 28 steps of one row; "adding_100" and "adding_400", the adding
problem; "copy_10", "copy_100" and "copy_1000", ten symbols copied after so many blanks;
"psmnist" and "smnist", MNIST in 784 steps, permuted and not. The last two and "rows" need
MNIST (--data).

All networks have at most as many parameters as the LMU of the task and are trained by Adam,
with gradients clipped to a norm of 1, for the same processor time on one thread (validation
not counted), or until the task is solved; --budget multiplies the time. They are PyTorch's
layers; `recurrent_speed` compares them with others. The LMU's window is the whole
sequence, which is told to it.

For each network and task the settings are searched first, on the validation set of seed
100: learning rates 0.0003, 0.001, 0.003, 0.01 and 0.03, further ones while the best is the
largest or the smallest, initial weights (default: the recurrence of each gate orthogonal,
forget bias 1; chrono for LSTM and GRU; for the simple RNN rectified linear units that start
as the identity) and a rate that falls as a cosine or stays; each is tried for an eighth of
the time, psmnist and smnist for a quarter, and the best setting of each of the two best
rates for the whole time. Then follow three seeds (--seeds, from
--seed on), whose validation sets say which moment of the training is tested.

The figures are test errors: % of wrong answers (of symbols), or the mean square error of
the adding problem, where a constant has 0.167. Chance is 90 % for digits, 87.5 % for
copying.
"""

import time

import click
import numpy as np

from experiments._lib.command_line import (
    console,
    need_torch,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.results import part, report, save_figure
from experiments.psmnist._data import data_options, load_digits

NAMES = {"lmu": "LMU", "lstm": "LSTM", "gru": "GRU", "rnn": "simple RNN"}
TASKS = (
    *("digits", "rows", "adding_100", "adding_400"),
    *("copy_10", "copy_100", "copy_1000", "psmnist", "smnist"),
)
OF_MNIST = ("rows", "psmnist", "smnist")
TITLES = {
    "digits": "8x8 digits, 64 steps",
    "rows": "MNIST, 28 rows",
    "adding": "adding, {} steps",
    "copy": "copy after {} steps",
    "psmnist": "permuted MNIST, 784 steps",
    "smnist": "MNIST, 784 steps",
}


class Runs:
    """
    Trainings whose results are kept in files.

    Parameters
    ----------
    tasks : dict of {str: experiments.baselines._tasks.Task}
        All tasks.
    budget : float
        Factor of the tasks' time.
    folder : pathlib.Path
        For the results.
    resume : bool
        Whether results that are there count.
    """

    def __init__(self, tasks, budget, folder, resume):
        self.tasks, self.budget = tasks, budget
        self.folder, self.resume = folder, resume
        self.parts = {}  # by name, those of earlier runs included
        folder.mkdir(parents=True, exist_ok=True)

    def part(self, name, asked, make):
        """Read a result, or make and write it; once in a run, also without --resume."""

        def timed():
            started = time.perf_counter()
            return {**make(), "wall": time.perf_counter() - started}

        if name not in self.parts:
            path = self.folder / f"{name}.json"
            self.parts[name] = part(path, asked, self.resume, timed)
        return self.parts[name]

    def searched(self, name, kind):
        """Best setting of a network on a task, and all that were tried."""
        from experiments.baselines import _training

        task = self.tasks[name]
        seconds = task.seconds * self.budget
        short = seconds * task.share, _training.N_SEARCH_CHECKS

        def attempt(setting, whole):
            limits = (seconds, _training.N_CHECKS) if whole else short
            return _training.train(kind, task, setting, _training.SEARCH_SEED, *limits)[1]

        def make():
            with console.status(f"{name}, {NAMES[kind]}: search"):
                best, tried, finalists = _training.search(kind, attempt)
            return {"best": best, "tried": tried, "finalists": finalists}

        asked = [name, kind, seconds, task.share, _training.FURTHER_RATES]
        asked.append(_training.N_FINALISTS)
        return self.part(f"{name}-{kind}-search", asked, make)

    def trained(self, name, kind, seed):
        """Result of a training with the best setting."""
        from experiments.baselines._training import Setting, test, train

        best = Setting(*self.searched(name, kind)["best"])
        task = self.tasks[name]
        seconds = task.seconds * self.budget

        def make():
            with console.status(f"{name}, {NAMES[kind]}, seed {seed}"):
                network, result = train(kind, task, best, seed, seconds)
                tests = task.make(seed)[2]
                return {**result, "test": test(network, task, tests)[0]}

        asked = [name, kind, seconds, list(best), seed]
        return self.part(f"{name}-{kind}-{seed}", asked, make)


@click.command(help=__doc__)
@data_options
@click.option("--task", "names", type=click.Choice(TASKS), multiple=True)
@click.option(
    "--budget",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Factor of the time of all trainings.",
)
@seeds_option()
@resume_option
@shared_options
def main(data, download, names, budget, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    need_torch()
    from experiments.baselines._tasks import make_tasks

    digits = load_digits(data, download)
    tasks = make_tasks(digits if digits.name == "MNIST" else None)
    if missing := [name for name in names if name not in tasks]:
        raise click.UsageError(f"{', '.join(missing)}: MNIST is needed (--data).")
    names = [name for name in TASKS if name in (names or tasks)]
    kinds = tuple(NAMES)
    if quick:
        names, n_seeds, kinds, budget = ["digits"], 1, ("lmu", "rnn"), 0.02 * budget
    runs = Runs(tasks, budget, out / "baselines", resume)
    seeds, results, figures = range(seed, seed + n_seeds), {}, {}
    for name in names:
        for kind in kinds:
            key, found = f"{name}_{kind}", [runs.trained(name, kind, s) for s in seeds]
            factor = 1 if tasks[name].is_regression else 100
            values = [factor * result["test"] for result in found]
            figures[key] = float(np.mean(values))
            figures |= {f"{key}_seed{s}": v for s, v in zip(seeds, values, strict=True)}
            for what in ("parameters", "updates", "seconds"):
                figures[f"{key}_{what}"] = float(np.mean([r[what] for r in found]))
            best = runs.searched(name, kind)["best"]
            results[key] = {"setting": best, "curves": [r["curve"] for r in found]}
            shown = ", ".join(f"{value:.4g}" for value in values)
            console.print(f"{name}, {NAMES[kind]}: {shown} ({', '.join(map(str, best))})")
    searches = {
        f"{name}_{kind}": {
            key: runs.searched(name, kind)[key] for key in ("tried", "finalists")
        }
        for name in names
        for kind in kinds
    }
    settings = {
        "tasks": {
            name: {
                "seconds": tasks[name].seconds * budget,
                "lmu": tasks[name].lmu._asdict(),
                "batch": tasks[name].batch,
            }
            for name in names
        },
        "seeds": list(seeds),
        "clock": "processor time of one thread, without validation",
        "wall_seconds": round(sum(each["wall"] for each in runs.parts.values())),
        "results": results,
        "searched": searches,
    }
    shown = [f"{name}_{kind}" for name in names for kind in kinds]
    path = report("baselines", seed, quick, figures, {}, out, settings, shown)
    draw(settings, tasks, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def title_of(name):
    """Title of a task in the figure."""
    first, _, size = name.partition("_")
    return TITLES[first].format(f"{int(size):,}" if size else "")


def draw(settings, tasks, path):
    """
    Draw the learning curves of all tasks: validation error by processor time.

    A dot is the end of a training whose task was solved. Errors are drawn from 0.1 to 100 %
    and from 0.0001 to 1; those beyond stand at the end.
    """
    from matplotlib.figure import Figure

    names = list(settings["tasks"])
    n_columns = min(3, len(names))
    n_rows = -(-len(names) // n_columns)
    figure = Figure(figsize=(3.4 * n_columns, 2.7 * n_rows + 0.4), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axis in axes[len(names) :]:
        axis.remove()
    for axis, name in zip(axes, names, strict=False):
        regression = tasks[name].is_regression
        for i, (kind, label) in enumerate(NAMES.items()):
            if f"{name}_{kind}" not in settings["results"]:
                continue
            for j, curve in enumerate(settings["results"][f"{name}_{kind}"]["curves"]):
                seconds, errors, _ = np.array(curve).T
                percent = errors if regression else 100 * errors
                errors = np.clip(percent, *((1e-4, 1) if regression else (0.1, 100)))
                style = dict(color=f"C{i}", lw=1.2, label=None if j else label)
                axis.plot(seconds, errors, **style)
                if curve[-1][1] <= tasks[name].enough:  # solved
                    axis.plot(seconds[-1], errors[-1], "o", color=f"C{i}", ms=4)
        axis.set(title=title_of(name), xlabel="processor time (s)")
        axis.set(ylabel="mean square error" if regression else "wrong (%)")
        axis.set(xlim=(0, settings["tasks"][name]["seconds"]), yscale="log")
        axis.grid(alpha=0.3)
    lines, labels = axes[0].get_legend_handles_labels()
    figure.legend(lines, labels, loc="outside lower center", ncols=min(4, 2 * n_columns))
    save_figure(figure, path, dpi=120)
