"""
Time cells
==========

Time cells are neurons in the hippocampus that fire one after the other following an event,
each at its own time. A memory's window has the same effect: here each of 40 neurons reads
a spiking memory of four seconds at a different delay, and fires while the signal passes
that delay. The signal is a pulse every six seconds.

Open it in Nengo GUI (``nengo networks/time_cells.py``) or draw it with
``python networks/time_cells.py --out time_cells.png``. The command
``python -m experiments time_cells`` analyzes the memory's own neurons as in a published
paper.
"""

import nengo
import numpy as np

from lmu_nengo import LegendreMemory, Spiking, delay_decoders
from lmu_nengo.viz import window_view

THETA = 4.0  # seconds
ORDER = 18
DT = 0.001
N_CELLS = 40
EVERY, WIDTH = 6.0, 1.5  # seconds between pulses, and length of a pulse


def smooth_pulse(t):
    """Bell-shaped pulse at the start of every period: sharp edges would ring."""
    phase = t % EVERY
    return 0.5 - 0.5 * np.cos(2 * np.pi * phase / WIDTH) if phase < WIDTH else 0.0


PULSES = nengo.processes.PresentInput(
    [smooth_pulse(t) for t in np.arange(0, EVERY, DT)], DT
)
REALIZATION = Spiking(
    1000,
    nengo.SpikingRectifiedLinear(),
    expected_input=PULSES,
    max_rates=nengo.dists.Uniform(80, 80),
    intercepts=nengo.dists.Uniform(0, 0),
)
delays = np.linspace(0.05, 0.95, N_CELLS)  # over theta

model = nengo.Network(label="time cells", seed=0)
with model:
    signal = nengo.Node(PULSES, label="pulses")
    memory = LegendreMemory(
        THETA, ORDER, realization=REALIZATION, dt=DT, label="spiking memory"
    )
    look = nengo.Node(size_in=N_CELLS, label="at 40 delays")
    cells = nengo.Ensemble(
        N_CELLS,
        1,
        neuron_type=nengo.LIF(),
        gain=np.full(N_CELLS, 1.5),  # silent below two thirds of the pulse height
        bias=np.zeros(N_CELLS),
        label="time cells",
    )
    nengo.Connection(signal, memory.input, synapse=None)
    nengo.Connection(
        memory.output, look, transform=delay_decoders(ORDER, delays), synapse=None
    )
    nengo.Connection(look, cells.neurons, synapse=None)
    view = window_view(memory, limits=(-0.5, 1.5), label="window")


def draw(seconds):
    """Simulate, and draw the pulses and the cells' spikes."""
    from matplotlib import pyplot

    from lmu_nengo import viz

    with model:
        probe = nengo.Probe(signal)
        spikes = nengo.Probe(cells.neurons)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    figure, (top, bottom) = pyplot.subplots(
        2, 1, sharex=True, height_ratios=(1, 3), figsize=(8, 5), layout="constrained"
    )
    top.plot(sim.trange(), sim.data[probe], color="black", lw=1.2)
    top.set(ylabel="pulses", title="40 neurons fire one after the other")
    viz.raster(sim.trange(), sim.data[spikes], axes=bottom)
    bottom.set(ylabel="time cell")
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=12.0)
