"""
A spiking memory and an exact one
=================================

The same memory twice: exact, and with 1,000 leaky integrate-and-fire (LIF) neurons whose
recurrent connections implement the same equations. Both delay a signal by one second.
Their difference is the error that the neurons add; it is shown magnified ten times.

Open it in Nengo GUI (``nengo networks/spiking_delay.py``) or draw it with
``python networks/spiking_delay.py --out spiking_delay.png``.
"""

import nengo

from lmu_nengo import Band, LegendreMemory, Linear, Spiking, delay_decoders

THETA = 1.0  # seconds
ORDER = 6
DT = 0.001
# lower rates than the default, so that single spikes are visible
LIF = Spiking(
    1000,
    nengo.LIF(),
    expected_input=Band(1.0, 0.3),
    max_rates=nengo.dists.Uniform(60, 120),
)

model = nengo.Network(label="spiking delay", seed=0)
with model:
    signal = nengo.Node(
        nengo.processes.WhiteSignal(60.0, high=1.0, rms=0.3, y0=0, seed=0),
        label="signal",
    )
    exact = LegendreMemory(THETA, ORDER, realization=Linear(), dt=DT, label="exact")
    memory = LegendreMemory(THETA, ORDER, realization=LIF, dt=DT, label="1,000 LIF")
    exact_delayed = nengo.Node(size_in=1, label="exact, 1 s late")
    delayed = nengo.Node(size_in=1, label="LIF, 1 s late")
    difference = nengo.Node(lambda t, x: 10 * (x[0] - x[1]), size_in=2)
    difference.label = "difference x 10"
    read = dict(transform=delay_decoders(ORDER, 1.0), synapse=0.1)
    for one, out in ((exact, exact_delayed), (memory, delayed)):
        nengo.Connection(signal, one.input, synapse=None)
        nengo.Connection(one.output, out, **read)
    nengo.Connection(delayed, difference[0], synapse=None)
    nengo.Connection(exact_delayed, difference[1], synapse=None)
neurons = memory.ensembles[0]
neurons.label = "spikes of the LIF neurons"


def draw(seconds):
    """Simulate, and draw both delayed signals, their difference and the spikes."""
    import numpy as np
    from matplotlib import pyplot

    from lmu_nengo import viz

    with model:
        nodes = (signal, exact_delayed, delayed, difference)
        probes = [nengo.Probe(node) for node in nodes]
        spikes = nengo.Probe(neurons.neurons)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    t = sim.trange()
    figure, (top, middle, bottom) = pyplot.subplots(
        3, 1, sharex=True, height_ratios=(3, 1, 2), figsize=(8, 6), layout="constrained"
    )
    styles = ("signal", "0.8", 1), ("exact, 1 s late", "black", 3)
    styles += (("1,000 LIF neurons, 1 s late", "tab:red", 1.2),)
    for probe, (label, color, width) in zip(probes, styles, strict=False):
        top.plot(t, sim.data[probe], label=label, color=color, lw=width)
    top.set(ylabel="value", title="An exact memory and a spiking one")
    middle.plot(t, sim.data[probes[3]] / 10, color="tab:red", lw=1)
    middle.set(ylabel="difference")
    shown = np.linspace(0, neurons.n_neurons - 1, 40).astype(int)
    viz.raster(t, sim.data[spikes][:, shown], axes=bottom)
    bottom.set_title("spikes of 40 neurons", fontsize="medium")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=6.0)
