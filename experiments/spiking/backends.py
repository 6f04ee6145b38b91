"""One spiking memory on every installed target: error, cost and speed.

800 spiking neurons delay noise of 2 Hz, rms 0.4, by 0.2 s, order 4; 5 s, without the first
second; output and target through the same lowpass of 20 ms. Every target may adapt the
memory (`lmu_nengo.targets.prepare`). Mean and worst of five seeds, of ten in the last task.

Also on Loihi's emulator: 0.1 s, 3 Hz, order 3, 384 neurons; 1 s, 1 Hz, order 6, 600
neurons; and the task of Voelker's thesis, 0.1 s, 3 Hz, order 3, 384 neurons, rms 1.0, 2 s,
the error over the whole window against an exact memory, without a filter
(nrmse_loihi_as_published); and the same with other synapses and numbers of neurons.
"""

import time

import click
import numpy as np

import lmu_nengo
from experiments._lib.command_line import console, shared_options
from experiments._lib.parallel import run_many
from experiments._lib.results import report, save_figure
from experiments.spiking._delays import build_delay, late, summarize, window_error
from lmu_nengo import targets

TASK = dict(theta=0.2, order=4, high=2.0, rms=0.4, seconds=5.0, dt=0.001, filter_s=0.02)
N_NEURONS = 800
SETTLED = 1000  # steps
# number of neurons, and task
ON_LOIHI = {
    "loihi_3hz": (384, dict(TASK, theta=0.1, order=3, high=3.0)),
    "loihi_1hz": (600, dict(TASK, theta=1.0, order=6, high=1.0)),
}
# the thesis' task: time constant of the synapses in seconds, and neurons
PUBLISHED = 0.01, 384
LOIHI_WINDOW = {"loihi_as_published": PUBLISHED} | {
    f"loihi_window_{1000 * tau:g}ms_{n_neurons}": (tau, n_neurons)
    for tau, n_neurons in (
        *((tau, 384) for tau in (0.005, 0.02, 0.03, 0.05, 0.1)),
        *((0.01, n_neurons) for n_neurons in (96, 192, 768)),
    )
}
N_WINDOWS = 10  # seeds
# Voelker's thesis, on the emulator: 0.145 to 0.151
REFERENCE = {"nrmse_loihi_as_published": 0.148}


def run_on(target, seed, task, n_neurons=N_NEURONS):
    """
    Run the memory on a target.

    Parameters
    ----------
    target : str
        One of `lmu_nengo.targets.NAMES`.
    seed : int
        Seed of signal and neurons.
    task : dict
        Arguments of `experiments.spiking._delays.run_delay`.
    n_neurons : int
        Neurons of the memory.

    Returns
    -------
    figures : dict of {str: float}
        Error, spikes and synaptic operations per simulated second, and simulated seconds
        per second of CPU time.
    output, wanted : ndarray of shape (n_steps, 1)
        The delayed signal and its target.
    """
    expected = lmu_nengo.Band(task["high"], task["rms"])
    memory = lmu_nengo.Spiking(n_neurons, expected_input=expected)
    network, delayed, signal = build_delay(memory, seed, **task)
    seconds = task["seconds"]
    module = targets.load(target)
    with module.Simulator(network, dt=task["dt"], seed=seed, count_spikes=True) as sim:
        started = time.process_time()
        sim.run(seconds)
        taken = time.process_time() - started
    output = sim.data[delayed]
    wanted = late(sim.data[signal], task["theta"], task["dt"])
    figures = {
        "nrmse": lmu_nengo.signal.nrmse(output[SETTLED:], wanted[SETTLED:]),
        "spikes_per_second": sim.spikes / seconds,
        "synaptic_operations_per_second": sim.synaptic_operations / seconds,
        "seconds_per_cpu_second": seconds / taken,
    }
    return figures, output, wanted


@click.command(help=__doc__)
@click.option(
    "--target",
    "names",
    type=click.Choice(targets.NAMES),
    multiple=True,
    help="Simulator; may be repeated. Default: all that are installed.",
)
@shared_options
def main(names, quick, seed, out):
    """Run the experiment."""
    names = list(names) or [name for name in targets.NAMES if targets.installed(name)]
    seeds = range(seed, seed + (1 if quick else 5))
    task = dict(TASK, seconds=1.5) if quick else TASK
    out.mkdir(parents=True, exist_ok=True)
    figures, traces = {}, {}
    for name in names:
        runs = run_many(run_on, [(name, s, task) for s in seeds], name)
        each = [run[0] for run in runs]
        figures |= summarize(f"nrmse_{name}", [one["nrmse"] for one in each])
        for what in list(each[0])[1:]:
            figures[f"{what}_{name}"] = float(np.mean([one[what] for one in each]))
        traces[name] = runs[0][1:]
    if "loihi" in names and not quick:
        for name, (n_neurons, other) in ON_LOIHI.items():
            jobs = [("loihi", s, other, n_neurons) for s in seeds]
            errors = [run[0]["nrmse"] for run in run_many(run_on, jobs, name)]
            figures |= summarize(f"nrmse_{name}", errors)
        for name, memory in LOIHI_WINDOW.items():
            jobs = [(s, "loihi", *memory) for s in range(seed, seed + N_WINDOWS)]
            figures |= summarize(f"nrmse_{name}", run_many(window_error, jobs, name))
    settings = {"seeds": list(seeds), "n_neurons": N_NEURONS, **task}
    settings["loihi"] = {
        "tasks": {name: dict(each, n_neurons=n) for name, (n, each) in ON_LOIHI.items()},
        "window": {"memories": LOIHI_WINDOW, "seeds": N_WINDOWS},
    }
    path = report("backends", seed, quick, figures, REFERENCE, out, settings)
    draw(figures, traces, task["dt"], seed, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(figures, traces, dt, seed, path):
    """Draw the errors over time, and the errors, spikes and speeds of all targets."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    top, bottom = figure.subfigures(2, 1)
    axes = top.subplots()
    names = list(traces)
    for name, (output, wanted) in traces.items():
        times = dt * np.arange(1, len(wanted) + 1)
        axes.plot(times, output - wanted, lw=1, label=name)
    axes.set(xlabel="time (s)", ylabel="error", xlim=(0, times[-1]))
    rms = np.sqrt(np.mean(wanted[SETTLED:] ** 2))
    axes.set_title(
        f"error of the delayed signal (rms of the signal: {rms:.2f}), seed {seed}"
    )
    top.legend(frameon=False, fontsize="small", loc="outside right center")
    kinds = {
        "nrmse": ("NRMSE", "%.4f"),
        "spikes_per_second": ("spikes per second", "{:,.0f}"),
        "seconds_per_cpu_second": ("simulated seconds per CPU second", "%.2g"),
    }
    for axes, (what, (label, form)) in zip(
        bottom.subplots(1, 3, sharey=True), kinds.items(), strict=True
    ):
        bars = axes.barh(names, [figures[f"{what}_{name}"] for name in names])
        axes.bar_label(bars, fmt=form, fontsize="small", padding=2)
        axes.set_xlabel(label)
        axes.margins(x=0.25)
        axes.locator_params(axis="x", nbins=4)
    axes.invert_yaxis()
    save_figure(figure, path)
