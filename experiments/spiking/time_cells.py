"""Neurons of a spiking memory fire one after the other, like time cells.

A rectangular pulse of height 1.5 and length 1 s, from the start, enters a memory of theta
4.784 s and order 6: 300 LIF neurons, about 50 for each balanced dimension, with Nengo's
default rates and intercepts, an alpha synapse of 0.1 s on the recurrence, steps of 1 ms,
6 s. The field of a cell is the mean and the standard deviation of its spike times after
the end of the pulse, which is time 0. Cells with at least 90% of these spikes within
4.784 s are kept, and their standard deviation is regressed on their mean. This is the
published analysis (called a Gaussian fit there); its figures stand beside ours.

What differs: the intercepts and rates of our neurons are evenly spaced rather than random,
so that seeds hardly matter, and their ranges follow from the expected pulse rather than
from a radius of 0.3. Our heat map shows the filtered spikes of the cells that were kept;
the published one shows 73 virtual cells, projections of the state onto random directions
that were selected for a peak within the delay. Nothing was fitted to the published figures.
Many neurons fire more than once, or fall silent: they are not textbook time cells.
nrmse_state is the error of the memory's whole state against an exact memory.

Mean and worst of ten seeds, --seed and the nine after it (the published run had one).
"""

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import console, engine_option, shared_options
from experiments._lib.parallel import run_many
from experiments._lib.results import report, save_figure
from experiments.spiking._delays import summarize
from lmu_nengo import targets

THETA, ORDER, DT, PULSE, SECONDS = 4.784, 6, 0.001, 1.0, 6.0
SIGNAL = nengo.processes.PresentInput([1.5, 0, 0, 0, 0, 0], PULSE)
MEMORY = lmu_nengo.Spiking(
    300,
    nengo.LIF(),
    synapse=nengo.Alpha(0.1),
    expected_input=SIGNAL,
    intercepts=nengo.dists.Uniform(-1, 1),
)
# Voelker and Eliasmith 2018, figure 10; rodent cortex: Tiganj and others 2016
REFERENCE = {"slope": 0.40, "intercept": 0.27, "correlation": 0.68, "n_cells": 250}
BRAIN = {"slope": 0.18, "intercept": 0.27, "correlation": 0.52}


def run(seed, engine):
    """
    Show the pulse to the memory.

    Parameters
    ----------
    seed : int
        Seed of the network.
    engine : {"jax", "core"}
        What runs it.

    Returns
    -------
    t : ndarray of shape (n_steps,)
        Seconds after the end of the pulse.
    spikes : ndarray of bool of shape (n_steps, n_neurons)
        Whether a neuron fired in a step.
    error : float
        Normalized root mean square error of the state.
    """
    with nengo.Network(seed=seed) as network:
        signal = nengo.Node(SIGNAL)
        exact = lmu_nengo.LegendreMemory(THETA, ORDER, dt=DT)
        memory = lmu_nengo.LegendreMemory(THETA, ORDER, realization=MEMORY, dt=DT)
        for each in (exact, memory):
            nengo.Connection(signal, each.input, synapse=None)
        neurons = [nengo.Probe(ensemble.neurons) for ensemble in memory.all_ensembles]
        states = [nengo.Probe(each.output) for each in (memory, exact)]
    sim = targets.run(network, engine, SECONDS, dt=DT)
    spikes = np.concatenate([sim.data[probe] > 0 for probe in neurons], axis=1)
    error = lmu_nengo.signal.nrmse(*(sim.data[probe] for probe in states))
    return sim.trange() - PULSE, spikes, error


def fields(t, spikes):
    """
    Time and width of the field of each cell.

    Parameters
    ----------
    t : ndarray of shape (n_steps,)
        Seconds after the end of the pulse.
    spikes : ndarray of bool of shape (n_steps, n_neurons)
        Whether a neuron fired in a step.

    Returns
    -------
    kept : ndarray of int of shape (n_cells,)
        Neurons with at least 90% of their spikes within theta.
    centers, spreads : ndarray of shape (n_cells,)
        Mean and standard deviation of their spike times.
    """
    kept, centers, spreads = [], [], []
    for i, fired in enumerate(spikes.T):
        times = t[fired & (t >= 0)]
        if len(times) and np.mean(times < THETA) >= 0.9:
            kept.append(i)
            centers.append(np.mean(times))
            spreads.append(np.std(times))
    return np.array(kept), np.array(centers), np.array(spreads)


def analyze(seed, engine):
    """Run one seed and return its figures."""
    t, spikes, error = run(seed, engine)
    _, centers, spreads = fields(t, spikes)
    slope, intercept = np.polyfit(centers, spreads, 1)
    return {
        "slope": slope,
        "intercept": intercept,
        "correlation": np.corrcoef(centers, spreads)[0, 1],
        "n_cells": len(centers),
        "nrmse_state": error,
    }


@click.command(help=__doc__)
@engine_option()
@shared_options
def main(engine, quick, seed, out):
    """Run the experiment."""
    seeds = range(seed, seed + (2 if quick else 10))
    out.mkdir(parents=True, exist_ok=True)
    results = run_many(analyze, [(s, engine) for s in seeds], "time cells")
    figures = {
        name: float(np.mean([result[name] for result in results])) for name in REFERENCE
    }
    figures |= summarize("nrmse_state", [result["nrmse_state"] for result in results])
    settings = {
        "engine": engine,
        "seeds": list(seeds),
        "n_neurons": 300,
        "theta": THETA,
        "order": ORDER,
        "synapse": repr(MEMORY.synapse),
        "pulse": {"height": 1.5, "seconds": PULSE},
        "seconds": SECONDS,
        "dt": DT,
    }
    path = report("time_cells", seed, quick, figures, REFERENCE, out, settings)
    ((t, spikes, _),) = run_many(run, [(seed, engine)], "figure")
    draw(t, spikes, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(t, spikes, path):
    """Draw the cells of the first seed, sorted by peak, and the widths of their fields."""
    from matplotlib.figure import Figure

    kept, centers, spreads = fields(t, spikes)
    rates = nengo.Alpha(0.1).filt(spikes[:, kept] / DT, dt=DT, y0=0)[t >= 0]
    rates = rates - rates.min(axis=0)
    rates = rates / np.maximum(rates.max(axis=0), 1e-9)
    cells = rates[:, np.argsort(rates.argmax(axis=0))][::10].T
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    extent = (0, t[-1], len(kept) + 0.5, 0.5)
    image = left.imshow(cells, aspect="auto", extent=extent, interpolation="nearest")
    figure.colorbar(image, ax=left, label="activity (normalized for each cell)")
    left.set(xlabel="time after the pulse (s)", ylabel="cell, sorted by time of its peak")
    right.plot(centers, spreads, ".", ms=4, color="tab:blue", label="cells")
    fit = dict(zip(("slope", "intercept"), np.polyfit(centers, spreads, 1), strict=True))
    lines = {
        "measured": (fit, "tab:blue", "-"),
        "published model": (REFERENCE, "black", "--"),
        "rodent cortex": (BRAIN, "tab:red", ":"),
    }
    x = np.array([0, THETA])
    for name, (line, color, style) in lines.items():
        label = f"{name}: {line['intercept']:.2f} + {line['slope']:.2f} t"
        right.plot(
            x, line["intercept"] + line["slope"] * x, style, color=color, label=label
        )
    right.set(xlabel="center of the field (s)", ylabel="width of the field (s)")
    right.set(xlim=(0, THETA), ylim=(0, None))
    figure.legend(
        *right.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize="small",
    )
    save_figure(figure, path)
