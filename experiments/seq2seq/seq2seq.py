"""Sequence to sequence: copy, reverse, forecast; and reading in both directions.

An encoder reads a sequence of 40 values; then a decoder, which has no input of its own and
receives only the encoder's memory, generates 40 values (forecast: 20). LMU: order 24, the
window spans both sequences, 48 hidden neurons that feed back to themselves and to the
memory. LSTM: Keras' layers with at most as many parameters, states handed over.

copy, reverse: white noise up to 0.1 cycles per step. forecast: the Mackey-Glass series (tau
17), every third unit of time. both_ways: remove noise from such a signal, 100 steps, to
which white noise of half its size was added; two LMU cells of order 24 and 24 hidden
neurons with windows of 20 steps, or two LSTM layers, one of which reads backwards. one_way:
one cell or layer of the same total size that reads forwards only.

The figures are normalized root mean square errors (NRMSE): 1 is an output of zero. 1,024
sequences to train on, 256 for validation, 256 to test; batches of 32; Adam, with a learning
rate that falls from 0.003 (LMU) or 0.01 (LSTM) to zero as a cosine, --minutes of CPU time
for each network; the epoch with the lowest validation loss is tested. The figures include
the epochs that were reached. They are means of three seeds (--seeds, from --seed on).
"""

from functools import partial

import click
import numpy as np
from nengo.processes import WhiteSignal

from experiments._lib.command_line import (
    console,
    minutes_option,
    need_nengo_dl,
    plain_errors,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.results import part, report, save_figure
from lmu_nengo.datasets import mackey_glass

TASKS = ("copy", "reverse", "forecast", "both_ways", "one_way")
N_SOURCE, N_AHEAD, N_SMOOTHED, HIGH, STRIDE = 40, 20, 100, 0.1, 3
N_TRAIN, N_VALIDATION, N_TEST = 1024, 256, 256
TITLES = {
    "copy": "copy",
    "reverse": "reverse",
    "forecast": "forecast of Mackey-Glass",
    "both_ways": "noise removal, both directions",
    "one_way": "noise removal, forwards only",
}


def make_data(task, n, rng):
    """
    Draw sequences.

    Parameters
    ----------
    task : str
        One of `TASKS`.
    n : int
        Number of sequences.
    rng : numpy.random.RandomState
        Source of randomness.

    Returns
    -------
    source : ndarray of shape (n, n_source, 1)
        Inputs.
    target : ndarray of shape (n, n_target, 1)
        Desired outputs.
    """
    if task == "forecast":
        length = STRIDE * (N_SOURCE + N_AHEAD)
        series = mackey_glass(n, length + 300, seed=rng.randint(2**31))[:, 300::STRIDE]
        series = series[..., None] / series.std()
        source, target = series[:, :N_SOURCE], series[:, N_SOURCE:]
    else:
        smoothed = task in ("both_ways", "one_way")
        n_steps = N_SMOOTHED if smoothed else N_SOURCE
        noise = WhiteSignal(n * 2 * n_steps, high=HIGH, rms=1.0)
        target = noise.run_steps(n * 2 * n_steps, dt=1.0, rng=rng)
        # leave gaps between the sequences
        target = target.reshape(n, 2 * n_steps, 1)[:, :n_steps]
        source = target
        if smoothed:
            source = target + 0.5 * rng.randn(*target.shape)
        elif task == "reverse":
            target = target[:, ::-1]
    return source.astype(np.float32), target.astype(np.float32)


def nrmse(output, target):
    """Root mean square error, relative to an output of zero."""
    return float(np.sqrt(np.mean((output - target) ** 2) / np.mean(target**2)))


def floor(task, source, target):
    """Error without a network: of the noisy input, or of an output of zero."""
    return nrmse(source if task in ("both_ways", "one_way") else 0 * target, target)


def run(task, sizes, limits, seed, out, resume):
    """
    Train and test both networks.

    Parameters
    ----------
    task : str
        One of `TASKS`.
    sizes : tuple of int
        Sequences to train on, for validation and to test.
    limits : tuple of (int, float)
        Maximum epochs and seconds of CPU time.
    seed : int
        Seed of everything random.
    out : pathlib.Path
        Folder for checkpoints.
    resume : bool
        Whether to continue from there.

    Returns
    -------
    result : dict
        ``floor``; for each network the error, the error by step, parameters, epochs and
        seconds; and the first test sequence.
    """
    from experiments.seq2seq._models import train_lmu, train_lstm

    rng = np.random.RandomState(seed)
    sets = [make_data(task, n, rng) for n in sizes]
    source, target = sets[2]
    result = {"floor": floor(task, source, target)}
    result["example"] = {"target": target[0, :, 0].tolist()}
    options = {}
    for name, fit in (("lmu", train_lmu), ("lstm", train_lstm)):
        folder = out / f"seq2seq-{task}-{name}-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        output, parameters, history = fit(
            task, sets, limits, seed, folder, resume, **options
        )
        options = {"n_parameters": parameters}
        rms = np.sqrt(np.mean((output - target) ** 2, axis=(0, 2)) / np.mean(target**2))
        result[name] = {
            "nrmse": nrmse(output, target),
            "by_step": rms.tolist(),
            "parameters": parameters,
            "epochs": len(history["val_loss"]),
            "seconds": round(history["seconds"][-1]),
        }
        result["example"][name] = output[0, :, 0].tolist()
    return result


@click.command(help=__doc__)
@seeds_option()
@resume_option
@minutes_option(1.0, "Maximum CPU time for each network.")
@shared_options
def main(minutes, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    need_nengo_dl()
    sizes, tasks = (N_TRAIN, N_VALIDATION, N_TEST), TASKS
    limits = 100_000, 60 * minutes
    if quick:
        sizes, tasks, n_seeds, limits = (64, 32, 32), ("copy",), 1, (2, 10.0)
    out.mkdir(parents=True, exist_ok=True)
    seeds = range(seed, seed + n_seeds)
    results = {task: [] for task in tasks}
    with plain_errors():
        for each in seeds:
            for task in tasks:
                args = task, sizes, limits, each
                make = partial(run, *args, out, resume)
                path = out / f"seq2seq-{task}-{each}.json"
                results[task].append(part(path, args, resume, make))
    figures = {}
    for task, found in results.items():
        figures[f"floor_{task}"] = float(np.mean([each["floor"] for each in found]))
        for name in ("lmu", "lstm"):
            for what in ("nrmse", "epochs", "seconds", "parameters"):
                key, values = f"{what}_{name}_{task}", [each[name][what] for each in found]
                figures[key] = float(np.mean(values))
                if what == "nrmse":
                    by_seed = zip(seeds, values, strict=True)
                    figures |= {f"{key}_seed{s}": value for s, value in by_seed}
    shown = [name for name in figures if not name.startswith(("seconds", "parameters"))]
    settings = {
        "sequences": dict(zip(("train", "validation", "test"), sizes, strict=True)),
        "epochs": limits[0],
        "seconds": limits[1],
        "clock": "processor time",
        "seeds": list(seeds),
        "results": results,
    }
    path = report("seq2seq", seed, quick, figures, {}, out, settings, shown)
    draw({task: found[0] for task, found in results.items()}, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(results, path):
    """Draw the first test sequence of each task, and the error by step, of one seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.7 * max(len(results), 2), 5), layout="constrained")
    axes = figure.subplots(2, len(results), squeeze=False)
    for (upper, lower), (task, result) in zip(axes.T, results.items(), strict=True):
        upper.plot(result["example"]["target"], color="black", lw=2, label="target")
        for name, color in (("lmu", "C0"), ("lstm", "C1")):
            upper.plot(result["example"][name], color=color, lw=1, label=name.upper())
            lower.plot(result[name]["by_step"], color=color)
        lower.axhline(result["floor"], color="0.5", ls=":", lw=1, label="no network")
        upper.set_title(TITLES[task].replace(", ", ",\n"), fontsize="medium")
        lower.set(xlabel="step of the output", ylim=(0, None))
    axes[0, 0].set_ylabel("first test sequence")
    axes[1, 0].set_ylabel("NRMSE")
    lines = [*axes[0, 0].lines, axes[1, 0].lines[-1]]
    figure.legend(handles=lines, loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path, dpi=100)
