"""
An LMU cell with feedback
=========================

The paper's cell has a memory ``m`` of its encoded input ``u``, a hidden state ``h``, and
paths between them: here ``u = x + e_h h`` and ``h = tanh(W_m m)``. ``W_m`` reads from the
memory what ``u`` was half a second and a quarter of a second ago, and ``e_h`` feeds the
former back with its sign inverted. After a single input pulse, as long as the window, the
cell keeps oscillating with a period of one second, twice its window: its output is the
opposite of what it was half a second ago. Move the slider of ``x`` to disturb it.

Open it in Nengo GUI (``nengo networks/lmu_cell.py``) or draw it with
``python networks/lmu_cell.py --out lmu_cell.png``.
"""

import nengo
import numpy as np

from lmu_nengo import LMUCell, delay_decoders
from lmu_nengo.viz import window_view

THETA = 0.5  # seconds
ORDER = 9
DT = 0.001
GAIN = 2.0  # from the memory to the hidden units; the oscillation decays below 1

model = nengo.Network(label="LMU cell", seed=0)
with model:
    pulse = nengo.Node(lambda t: 1.0 if t < THETA else 0.0, label="pulse")
    x = nengo.Node([0], label="x")
    cell = LMUCell(
        input_d=1,
        memory_d=1,
        theta=THETA,
        order=ORDER,
        hidden_d=2,
        input_encoders=np.ones((1, 1)),
        hidden_encoders=np.array([[-1.0, 0.0]]),  # only the first unit feeds back
        memory_kernel=GAIN * delay_decoders(ORDER, [1.0, 0.5]),
        bias=None,
        dt=DT,
        label="cell",
    )
    nengo.Connection(pulse, cell.input, synapse=None)
    nengo.Connection(x, cell.input, synapse=None)
    hidden = nengo.Node(size_in=2, label="h: 0.5 and 0.25 s ago")
    nengo.Connection(cell.output, hidden, synapse=None)
    view = window_view(cell.memory, limits=(-2, 2), label="window")


def draw(seconds):
    """Simulate, and draw everything that the cell computes."""
    from matplotlib import pyplot

    with model:
        nodes = (cell.input, cell.u, cell.m, cell.h)
        probes = [nengo.Probe(node) for node in nodes]
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    figure, rows = pyplot.subplots(4, 1, sharex=True, figsize=(8, 6), layout="constrained")
    names = ("x: input", "u: encoded input", "m: memory", "h: hidden state")
    for axes, probe, name in zip(rows, probes, names, strict=True):
        axes.plot(sim.trange(), sim.data[probe][:, :4], lw=1.2)
        axes.set_title(name, fontsize="medium")
    rows[2].set_title("m: memory, the first 4 of 9 coefficients", fontsize="medium")
    rows[3].legend(["0.5 s ago", "0.25 s ago"], loc="lower right", fontsize="small")
    rows[3].set(xlabel="time (s)", xlim=(0, seconds))
    figure.suptitle("A pulse starts an oscillation that the cell sustains")
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=5.0)
