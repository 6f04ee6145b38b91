"""Spiking memories with many synapses: Principle 3 takes each into account.

As published: white noise of rms 0.5 up to 15 Hz, theta 0.1 s, order 6, 2,000 LIF neurons,
steps of 10 us, 1 s; a lowpass of 20 ms on delayed signal and target. Synapses: a lowpass
of 10 ms; a double exponential of 10 and 2 ms; a lowpass of 10 ms after a delay of 10 ms.
Order 6 itself has an error in this task: nrmse_published_linear is that of an exact memory.
The memory is read from its state and, as the published ones, from its spikes.
Decoders have a regularization of 0.0005 and intercepts begin at -2: the best of 0.0003 to
0.005 and of -1, -1.5, -2 and -3, with the first synapse and seeds 100 to 111. With the
third, 0.001 and -1.5 were better on those seeds.

Slow: white noise of rms 0.3 up to 1 Hz, theta 1 s, order 6, 1,000 LIF neurons, steps of
1 ms, 20 s; a lowpass of 0.1 s on both. Synapses: lowpasses of 0.1 s and 0.02 s; a double
exponential of 0.1 and 0.005 s; alpha of 0.05 s; a lowpass of 0.1 s after a delay of 10 ms;
and a different lowpass for each dimension, from 0.15 s for the first to 0.05 s for the
last.

Normalized root mean square error (NRMSE) over the whole run; mean and worst of ten seeds,
--seed and the nine after it (the published run had one).
"""

import dataclasses

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import console, engine_option, shared_options
from experiments._lib.results import report, save_figure
from experiments.spiking._delays import delay_figures

PUBLISHED = dict(
    theta=0.1, order=6, high=15.0, rms=0.5, seconds=1.0, dt=1e-5, filter_s=0.02
)
SLOW = dict(theta=1.0, order=6, high=1.0, rms=0.3, seconds=20.0, dt=0.001, filter_s=0.1)


def double_exponential(tau1, tau2):
    """Lowpass of ``tau1`` seconds followed by one of ``tau2`` seconds."""
    return nengo.LinearFilter([1], [tau1 * tau2, tau1 + tau2, 1])


PUBLISHED_SYNAPSES = {
    "lowpass": nengo.Lowpass(0.01),
    "double_exponential": double_exponential(0.01, 0.002),
    "delayed_lowpass": lmu_nengo.nef.DelayedLowpass(0.01, 0.01),
}
FAST = dict(solver=nengo.solvers.LstsqL2(reg=5e-4), intercepts=nengo.dists.Uniform(-2, 1))
SETTINGS = {
    "lowpass": FAST,
    "double_exponential": FAST,
    "delayed_lowpass": dict(solver=nengo.solvers.LstsqL2(reg=1e-3)),
}
SLOW_SYNAPSES = {
    "lowpass_100ms": nengo.Lowpass(0.1),
    "lowpass_20ms": nengo.Lowpass(0.02),
    "double_exponential": double_exponential(0.1, 0.005),
    "alpha_50ms": nengo.Alpha(0.05),
    "delayed_lowpass": lmu_nengo.nef.DelayedLowpass(0.1, 0.01),
    "heterogeneous": [0.15, 0.13, 0.11, 0.09, 0.07, 0.05],
}
# Voelker and Eliasmith 2018
REFERENCE = {
    "nrmse_published_lowpass": 0.702,
    "nrmse_published_double_exponential": 0.541,
    "nrmse_published_delayed_lowpass": 0.205,
}


@click.command(help=__doc__)
@engine_option()
@shared_options
def main(engine, quick, seed, out):
    """Run the experiment."""
    seeds = range(seed, seed + (2 if quick else 10))
    published, slow = PUBLISHED, SLOW
    if quick:
        published = dict(PUBLISHED, seconds=0.2, dt=1e-4)
        slow = dict(SLOW, seconds=1.5)
    groups = {
        "published": (PUBLISHED_SYNAPSES, 2000, published),
        "slow": (SLOW_SYNAPSES, 1000, slow),
    }
    cases = {}
    for group, (synapses, n_neurons, task) in groups.items():
        expected = lmu_nengo.Band(task["high"], task["rms"])
        settings = SETTINGS if group == "published" else {}
        for name, synapse in synapses.items():
            memory = lmu_nengo.Spiking(
                n_neurons,
                synapse=synapse,
                expected_input=expected,
                **settings.get(name, {}),
            )
            cases[f"nrmse_{group}_{name}"] = memory, task
            if group == "published":
                from_spikes = dataclasses.replace(memory, output="spikes")
                cases[f"nrmse_{group}_{name}_from_spikes"] = from_spikes, task
        cases[f"nrmse_{group}_linear"] = lmu_nengo.Linear(), task
    out.mkdir(parents=True, exist_ok=True)
    figures, _ = delay_figures(cases, seeds, "synapses", engine)
    settings = {
        "engine": engine,
        "seeds": list(seeds),
        **{
            group: {
                "n_neurons": n_neurons,
                "synapses": {name: repr(synapse) for name, synapse in synapses.items()},
                "memories": repr(SETTINGS if group == "published" else {}),
                **task,
            }
            for group, (synapses, n_neurons, task) in groups.items()
        },
    }
    path = report("spiking_synapses", seed, quick, figures, REFERENCE, out, settings)
    draw(figures, groups, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(figures, groups, path):
    """Draw the mean and the worst error of each synapse."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    heights = [len(synapses) for synapses, _, _ in groups.values()]
    axes = figure.subplots(2, 1, gridspec_kw={"height_ratios": heights})
    for axis, (group, (synapses, n_neurons, task)) in zip(
        axes, groups.items(), strict=True
    ):
        keys = [f"nrmse_{group}_{name}" for name in synapses]
        y = np.arange(len(keys))
        mean, worst = (np.array([figures[k + end] for k in keys]) for end in ("", "_worst"))
        bars = axis.barh(y, mean, xerr=[0 * mean, worst - mean], capsize=3, height=0.6)
        bars.set_label("measured: mean, worst")
        published = [REFERENCE.get(key, np.nan) for key in keys]
        if np.isfinite(published).any():
            axis.plot(published, y, "k|", ms=14, mew=2, label="published")
        linear = figures[f"nrmse_{group}_linear"]
        axis.axvline(linear, color="tab:green", ls="--", label="exact memory")
        axis.set_yticks(y, [name.replace("_", " ") for name in synapses])
        axis.invert_yaxis()
        title = f"{task['high']:g} Hz, theta {task['theta']:g} s, {n_neurons:,} LIF neurons"
        axis.set(xlabel="NRMSE", title=f"{title}, steps of {1e3 * task['dt']:g} ms")
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    save_figure(figure, path)
