"""
The window of a memory
======================

A memory of 1,000 spiking neurons holds the last second of its input. Not only the far end
of the window can be read out: the whole second is available at every time. The view beside
the network draws the reconstruction from the memory over the actual input.

Open it in Nengo GUI (``nengo networks/window.py``) or draw it with
``python networks/window.py --out window.png``.
"""

import nengo

from lmu_nengo import Band, LegendreMemory, Spiking
from lmu_nengo.viz import window_view

THETA = 1.0  # seconds
ORDER = 12
DT = 0.001
BAND = Band(2.0, 0.3)

# slow integrate-and-fire neurons that are silent for half of the values: easy to see
REALIZATION = Spiking(
    1000,
    nengo.SpikingRectifiedLinear(),
    expected_input=BAND,
    max_rates=nengo.dists.Uniform(80, 80),
    intercepts=nengo.dists.Uniform(0, 0),
)

model = nengo.Network(label="window", seed=0)
with model:
    signal = nengo.Node(
        nengo.processes.WhiteSignal(60.0, high=BAND.frequency, rms=BAND.rms, y0=0, seed=5),
        label="signal",
    )
    memory = LegendreMemory(
        THETA, ORDER, realization=REALIZATION, dt=DT, label="spiking memory"
    )
    nengo.Connection(signal, memory.input, synapse=None)
    view = window_view(memory, limits=(-1, 1), label="window")
neurons = memory.ensembles[0]
neurons.label = "spikes of the memory"


def draw(seconds):
    """Simulate, and draw the last window and the spikes that represent it."""
    import numpy as np
    from matplotlib import pyplot

    from lmu_nengo import viz

    with model:
        probe = nengo.Probe(signal)
        state = nengo.Probe(memory.output)
        spikes = nengo.Probe(neurons.neurons)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    t, u = sim.trange(), sim.data[probe][:, 0]
    figure, (top, bottom) = pyplot.subplots(
        2, 1, sharex=True, height_ratios=(3, 2), figsize=(8, 5), layout="constrained"
    )
    top.plot(t, u, color="0.7", lw=1)
    last = slice(-round(THETA / DT), None)
    viz.window(sim.data[state][-1], THETA, u[last], now=t[-1], axes=top)
    shown = np.linspace(0, neurons.n_neurons - 1, 40).astype(int)
    viz.raster(t, sim.data[spikes][:, shown], axes=bottom)
    for axes in (top, bottom):
        axes.axvspan(t[-1] - THETA, t[-1], color="tab:red", alpha=0.08, lw=0)
    top.set(xlabel="", title="The last second of a signal, held by 1,000 spiking neurons")
    bottom.set_title("spikes of 40 neurons", fontsize="medium")
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=3.0)
