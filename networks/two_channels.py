"""
A memory of two channels
========================

A point moves in the plane at random. A spiking memory with one channel for each coordinate
holds the last second of its path; the read-out returns the point of half a second ago.

Open it in Nengo GUI (``nengo networks/two_channels.py``) or draw it with
``python networks/two_channels.py --out two_channels.png``.
"""

import nengo
import numpy as np

from lmu_nengo import Band, LegendreMemory, Spiking, delay_decoders
from lmu_nengo.viz import window_view

THETA = 1.0  # seconds
ORDER = 9
DT = 0.001
BAND = Band(1.0, 0.35)

REALIZATION = Spiking(
    2000,
    nengo.SpikingRectifiedLinear(),
    expected_input=BAND,
    max_rates=nengo.dists.Uniform(80, 80),
    intercepts=nengo.dists.Uniform(0, 0),
)

model = nengo.Network(label="two channels", seed=0)
with model:
    point = nengo.Node(
        nengo.processes.WhiteSignal(60.0, high=BAND.frequency, rms=BAND.rms, y0=0, seed=3),
        size_out=2,
        label="point",
    )
    memory = LegendreMemory(
        THETA, ORDER, memory_d=2, realization=REALIZATION, dt=DT, label="spiking memory"
    )
    delayed = nengo.Node(size_in=2, label="point 0.5 s ago")
    nengo.Connection(point, memory.input, synapse=None)
    nengo.Connection(
        memory.output,
        delayed,
        transform=np.kron(
            np.eye(2), delay_decoders(ORDER, 0.5)
        ),  # one block for each channel
        synapse=None,
    )
    view = window_view(memory, limits=(-1, 1), label="window")


def draw(seconds):
    """Simulate, and draw the path of the last second and its reconstruction."""
    from matplotlib import pyplot

    from lmu_nengo import viz
    from lmu_nengo.signal import reconstruct_window

    with model:
        probe, state = nengo.Probe(point), nengo.Probe(memory.output)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    t, path = sim.trange(), sim.data[probe]
    held = sim.data[state][-1].reshape(2, ORDER)
    last = slice(-round(THETA / DT), None)
    figure = pyplot.figure(figsize=(8, 4), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    plane = figure.add_subplot(grid[:, 0])
    plane.plot(*path.T, color="0.9", lw=1)
    plane.plot(*path[last].T, color="0.7", lw=4, label="last second of the path")
    curve = reconstruct_window(held, np.linspace(1, 0, 201))
    plane.plot(*curve, color="tab:red", lw=1.5, label="reconstruction from the memory")
    plane.set(xlabel="channel 0", ylabel="channel 1", aspect="equal")
    for channel in range(2):
        axes = figure.add_subplot(grid[channel, 1])
        u = path[last, channel]
        viz.window(held[channel], THETA, u, now=t[-1], axes=axes)
        axes.set(ylabel=f"channel {channel}", xlabel="time (s)" if channel else "")
    figure.legend(*plane.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=4.0)
