"""A spiking memory of order 27 delays fast noise.

White noise up to 50 Hz, theta 0.1 s, 1,000 neurons in the 16 balanced dimensions that
matter most to the delay of theta, synapses of 0.1 s, steps of 1 ms; the normalized root
mean square error (NRMSE) of the delayed signal over the whole run.

\b
Ours: rms 0.3, 20 s, delayed signal and target through the same lowpass of 0.1 s.
As published: rms 1.0, 10 s, a lowpass of 20 ms on both. Published: 0.387 with discrete
Principle 3, and 1.425 with continuous. Also decoded from the spikes, as published.

Fine steps: as ours, but 2,000 LIF neurons, steps of 10 us, synapses of 0.1 s after a pure
delay of 1 ms, 5 s (the published runs with a delay are of order 6, see spiking_synapses).
nrmse_linear is that of an exact memory. Mean and worst of ten seeds, --seed and the nine
after it (the published run had 25). To optimize the neurons for the delay of theta (points)
was decided on seeds 100 to 103, LIF: NRMSE 0.135, against 0.18 for the whole window.
"""

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import console, engine_option, shared_options
from experiments._lib.results import report, save_figure
from experiments.spiking._delays import delay_figures

TASK = dict(theta=0.1, order=27, high=50.0, rms=0.3, seconds=20.0, dt=0.001, filter_s=0.1)
PUBLISHED = dict(TASK, rms=1.0, seconds=10.0, filter_s=0.02)
FINE = dict(TASK, seconds=5.0, dt=1e-5)
# Voelker and Eliasmith 2018
REFERENCE = {"nrmse_lif_as_published": 0.387}


def memory(neuron_type, rms, n_neurons=1000, synapse=0.1, output="state"):
    """Build the realization for noise of a given rms."""
    return lmu_nengo.Spiking(
        n_neurons,
        neuron_type,
        synapse,
        expected_input=lmu_nengo.Band(50.0, rms),
        points=[1.0],
        output=output,
    )


@click.command(help=__doc__)
@engine_option()
@shared_options
def main(engine, quick, seed, out):
    """Run the experiment."""
    n_seeds, share = (2, 0.1) if quick else (10, 1.0)
    seeds = range(seed, seed + n_seeds)
    task, published = (dict(t, seconds=share * t["seconds"]) for t in (TASK, PUBLISHED))
    rectified = nengo.SpikingRectifiedLinear()
    fine = dict(FINE, seconds=0.5, dt=1e-4) if quick else FINE
    delayed = lmu_nengo.nef.DelayedLowpass(0.1, 0.001)
    cases = {
        "nrmse_lif": (memory(nengo.LIF(), 0.3), task),
        "nrmse_spiking_rectified_linear": (memory(rectified, 0.3), task),
        "nrmse_lif_fine_steps": (memory(nengo.LIF(), 0.3, 2000, delayed), fine),
        "nrmse_linear": (lmu_nengo.Linear(), task),
        "nrmse_lif_as_published": (memory(nengo.LIF(), 1.0), published),
        "nrmse_lif_as_published_from_spikes": (
            memory(nengo.LIF(), 1.0, output="spikes"),
            published,
        ),
        "nrmse_linear_as_published": (lmu_nengo.Linear(), published),
    }
    out.mkdir(parents=True, exist_ok=True)
    figures, traces = delay_figures(cases, seeds, "order 27", engine)
    settings = {
        "engine": engine,
        "seeds": list(seeds),
        "n_neurons": 1000,
        "synapse": 0.1,
        "state_d": 16,
        "points": [1.0],
        "task": task,
        "as_published": published,
        "fine_steps": fine | {"n_neurons": 2000, "synapse": repr(delayed)},
    }
    path = report("spiking_order27", seed, quick, figures, REFERENCE, out, settings)
    draw(traces, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(traces, path):
    """Draw the last second of the first seed's run, as published and ours."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots(2, 1)
    shown = {
        "as published": ("nrmse_lif_as_published",),
        "rms 0.3, filter of 0.1 s": ("nrmse_lif", "nrmse_spiking_rectified_linear"),
    }
    for axis, (title, names) in zip(axes, shown.items(), strict=True):
        _, target = traces[names[0]]
        t = TASK["dt"] * np.arange(1, len(target) + 1)
        late = t > t[-1] - 1
        axis.plot(t[late], target[late], color="0.75", lw=4, label="signal 0.1 s ago")
        for name in names:
            output, _ = traces[name]
            kind = "LIF" if "lif" in name else "spiking rectified linear"
            label = f"{kind}, NRMSE {lmu_nengo.signal.nrmse(output, target):.3f}"
            axis.plot(t[late], output[late], lw=1, label=label)
        axis.set(title=title, ylabel="value", xlim=(t[-1] - 1, t[-1]))
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    axes[-1].set_xlabel("time (s)")
    save_figure(figure, path)
