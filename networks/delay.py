"""
A spiking memory delays a signal
================================

White noise up to 1 Hz goes into a memory of 1,000 spiking neurons, whose window is one
second long. Its far end is read out: the signal, one second late.

Open it in Nengo GUI (``nengo networks/delay.py``) or draw it with
``python networks/delay.py --out delay.png``.
"""

from collections import deque

import nengo

from lmu_nengo import Band, LegendreMemory, Spiking, delay_decoders

THETA = 1.0  # seconds
ORDER = 6
DT = 0.001
# lower rates than the default, so that single spikes are visible
REALIZATION = Spiking(
    1000, expected_input=Band(1.0, 0.3), max_rates=nengo.dists.Uniform(60, 120)
)


class ExactDelay(nengo.Process):
    """A delay of one window, with a list of all values since."""

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Start with a list of zeros."""
        past = deque([0.0] * round(THETA / dt))

        def step(t, x):
            past.append(x[0])
            return past.popleft()

        return step


model = nengo.Network(label="delay", seed=0)
with model:
    signal = nengo.Node(
        nengo.processes.WhiteSignal(60.0, high=1.0, rms=0.3, y0=0, seed=0),
        label="signal",
    )
    memory = LegendreMemory(
        THETA, ORDER, realization=REALIZATION, dt=DT, label="spiking memory"
    )
    decoded = nengo.Node(size_in=1, label="decoded, 1 s late")
    truth = nengo.Node(ExactDelay(default_size_in=1), label="truth, 1 s late")
    nengo.Connection(signal, memory.input, synapse=None)
    nengo.Connection(
        memory.output, decoded, transform=delay_decoders(ORDER, 1.0), synapse=0.1
    )
    nengo.Connection(signal, truth, synapse=0.1)
neurons = memory.ensembles[0]
neurons.label = "spikes of the memory"


def draw(seconds):
    """Simulate, and draw the signal, the delayed signal and spikes."""
    import numpy as np
    from matplotlib import pyplot

    from lmu_nengo import viz

    with model:
        probes = [nengo.Probe(node) for node in (signal, truth, decoded)]
        spikes = nengo.Probe(neurons.neurons)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    figure, (top, bottom) = pyplot.subplots(
        2, 1, sharex=True, height_ratios=(3, 2), figsize=(8, 5), layout="constrained"
    )
    t = sim.trange()
    styles = (("signal", "0.8", 1), ("signal one second ago", "black", 3))
    styles += (("decoded from the spiking memory", "tab:red", 1.2),)
    for probe, (label, color, width) in zip(probes, styles, strict=True):
        top.plot(t, sim.data[probe], label=label, color=color, lw=width)
    top.set(ylabel="value", title="1,000 spiking neurons remember one second")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    shown = np.linspace(0, neurons.n_neurons - 1, 40).astype(int)
    viz.raster(t, sim.data[spikes][:, shown], axes=bottom)
    bottom.set_title("spikes of 40 neurons", fontsize="medium")
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=6.0)
