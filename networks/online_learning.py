"""
A read-out learns online
========================

White noise up to 1.5 Hz goes into a memory of 1,000 spiking neurons, whose window is one
second long. Its state drives 500 more neurons, through a connection inside the read-out
that Nengo GUI does not draw. Their decoders start at zero and are learned from the error
(PES) until they return the signal of half a second ago. Move the slider of ``stop`` to 1
to stop learning; the decoders then stay as they are.

Open it in Nengo GUI (``nengo networks/online_learning.py``) or draw it with
``python networks/online_learning.py --out online_learning.png``, which stops learning after
three quarters of the time.
"""

from collections import deque

import nengo

from lmu_nengo import Band, LegendreMemory, Spiking
from lmu_nengo.memory import LearnedReadout

THETA = 1.0  # seconds
ORDER = 9
DELAY = 0.5  # seconds
DT = 0.001
BAND = Band(1.5, 0.3)


class ExactDelay(nengo.Process):
    """A delay, with a list of all values since."""

    def make_step(self, shape_in, shape_out, dt, rng, state):
        """Start with a list of zeros."""
        past = deque([0.0] * round(DELAY / dt))

        def step(t, x):
            past.append(x[0])
            return past.popleft()

        return step


model = nengo.Network(label="online learning", seed=0)
with model:
    signal = nengo.Node(
        nengo.processes.WhiteSignal(
            200.0, high=BAND.frequency, rms=BAND.rms, y0=0, seed=100
        ),
        label="signal",
    )
    stop = nengo.Node([0], label="stop")
    memory = LegendreMemory(
        THETA,
        ORDER,
        realization=Spiking(1000, expected_input=BAND),
        dt=DT,
        label="spiking memory",
    )
    readout = LearnedReadout(
        memory,
        500,
        expected_input=BAND,
        max_rates=nengo.dists.Uniform(80, 160),  # low, so that single spikes are visible
        learning_rate=5e-3,  # higher than usual, because low firing rates learn more slowly
        label="learned read-out",
    )
    learned, error = readout.output, readout.error
    learned.label = "learned, 0.5 s late"
    truth = nengo.Node(ExactDelay(default_size_in=1), label="truth, 0.5 s late")
    nengo.Connection(signal, memory.input, synapse=None)
    nengo.Connection(signal, truth, synapse=None)
    nengo.Connection(learned, error, synapse=None)
    nengo.Connection(truth, error, transform=-1, synapse=None)
    nengo.Connection(stop, readout.stop, synapse=None)
neurons = readout.ensemble
neurons.label = "spikes of the read-out"


def draw(seconds):
    """Simulate, and draw the learned output and its error."""
    import numpy as np
    from matplotlib import pyplot

    learning = 0.75 * seconds
    stop.output = lambda t: t > learning
    with model:
        probes = [nengo.Probe(node) for node in (learned, truth)]
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    output, target = (sim.data[probe][:, 0] for probe in probes)
    figure, (top, bottom) = pyplot.subplots(
        2, 1, sharex=True, height_ratios=(2, 1), figsize=(8, 5), layout="constrained"
    )
    t = sim.trange()
    top.plot(t, output, label="learned output", color="tab:red", lw=1)
    top.plot(t, target, label="signal half a second ago", color="black", lw=0.7)
    top.set(ylabel="value", title="Neurons learn to read out a memory")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    # root mean square over two seconds, relative to the signal's
    smooth = nengo.Lowpass(2.0)
    power = smooth.filt((output - target)[:, None] ** 2, dt=DT, y0=0)[:, 0]
    bottom.plot(t, np.sqrt(power) / BAND.rms, color="tab:red", lw=1)
    for axes in (top, bottom):
        axes.axvspan(learning, seconds, color="0.9")
    bottom.text(learning, 0, " learning stopped", va="bottom")
    bottom.set(xlabel="time (s)", ylabel="relative error", xlim=(0, seconds))
    bottom.set_ylim(bottom=0)
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=40.0)
