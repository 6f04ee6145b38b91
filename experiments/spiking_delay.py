"""A memory of 1,000 spiking neurons delays noise by one second.

White noise of rms 0.3 up to 1 Hz, theta 1 s, order 6, synapses of 0.1 s, steps of 1 ms, 20
seconds; the normalised root mean square error of the delayed signal, both through the same
0.1 s filter, over five seeds.
"""

import click
import nengo
import numpy as np
from rich.progress import track

import lmu_nengo
from experiments.common import console, report, shared_options

THETA, ORDER, TAU, DT = 1.0, 6, 0.1, 0.001
NEURON_TYPES = {
    "lif": nengo.LIF(),
    "spiking_rectified_linear": nengo.SpikingRectifiedLinear(),
}
REFERENCE = {"nrmse_lif": 0.048}  # Voelker and Eliasmith 2018


def delay(realization, seed, seconds):
    """
    Run the delay network.

    Parameters
    ----------
    realization : lmu_nengo.Linear or lmu_nengo.Spiking
        How the memory is computed.
    seed : int
        Seed of signal and neurons.
    seconds : float
        How long to run.

    Returns
    -------
    output : ndarray of shape (n_steps, 1)
        The decoded signal, filtered.
    target : ndarray of shape (n_steps, 1)
        The signal one window ago, filtered.
    """
    process = nengo.processes.WhiteSignal(20.0, high=1.0, rms=0.3, y0=0, seed=seed)
    with nengo.Network(seed=seed) as network:
        signal = nengo.Node(process)
        memory = lmu_nengo.LegendreMemory(THETA, ORDER, realization=realization, dt=DT)
        delayed = nengo.Node(size_in=1)
        nengo.Connection(signal, memory.input, synapse=None)
        decoders = lmu_nengo.delay_decoders(ORDER, 1.0)
        nengo.Connection(memory.output, delayed, transform=decoders, synapse=None)
        output = nengo.Probe(delayed, synapse=TAU)
        filtered = nengo.Probe(signal, synapse=TAU)
    with nengo.Simulator(network, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)
    late = round(THETA / DT)
    target = np.concatenate([np.zeros((late, 1)), sim.data[filtered][:-late]])
    return sim.data[output], target


@click.command(help=__doc__)
@shared_options
def main(quick, seed, out):
    """Run the experiment."""
    seconds, n_seeds = (5.0, 2) if quick else (20.0, 5)
    out.mkdir(parents=True, exist_ok=True)
    figures, traces = {}, {}
    for name, neuron_type in NEURON_TYPES.items():
        realization = lmu_nengo.Spiking(1000, neuron_type, synapse=TAU)
        runs = [
            delay(realization, seed + i, seconds)
            for i in track(range(n_seeds), description=name, console=console)
        ]
        errors = [lmu_nengo.nrmse(*run) for run in runs]
        figures[f"nrmse_{name}"] = float(np.mean(errors))
        figures[f"nrmse_{name}_worst"] = float(np.max(errors))
        traces[name] = runs[0]
    path = report("spiking_delay", seed, quick, figures, REFERENCE, out)
    draw(traces, figures, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(traces, figures, path):
    """Draw the delayed signals and their errors."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    for name, (output, target) in traces.items():
        t = DT * np.arange(1, len(output) + 1)
        label = f"{name.replace('_', ' ')}, NRMSE {figures[f'nrmse_{name}']:.3f}"
        top.plot(t, output, lw=1, label=label)
        bottom.plot(t, output - target, lw=0.7)
    top.plot(t, target, color="black", lw=0.7, label="signal one second ago")
    top.set(ylabel="value", xlim=(0, t[-1]))
    bottom.set(xlabel="time (s)", ylabel="error")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)
