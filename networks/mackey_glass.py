"""
A chaotic series, predicted live
================================

The Mackey-Glass series, a benchmark of prediction, never repeats. A memory holds the last
second of it. The state of the memory drives 1,000 spiking neurons, whose decoders predict
the value 0.3 s later; they are solved in closed form, by least squares over another part
of the series. One unit of the series' time lasts 20 ms here, so that 0.3 s are the usual
15 units.

Open it in Nengo GUI (``nengo networks/mackey_glass.py``) or draw it with
``python networks/mackey_glass.py --out mackey_glass.png``.
"""

import nengo
import numpy as np

from lmu_nengo import LegendreMemory
from lmu_nengo.signal import simulate
from lmu_nengo.viz import window_view

THETA = 1.0  # seconds
ORDER = 10
DT = 0.001
UNIT = 0.02  # seconds for one unit of the series' time
AHEAD = 0.3  # seconds
TAU = 0.05  # seconds: the read-out's synapse, whose lag the decoders make up for
LEARN, LIVE = 40.0, 60.0  # seconds of the series


def mackey_glass(n_steps, h, tau=17.0, discard=2000):
    """Integrate x' = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x by Euler's rule."""
    lag = round(tau / h)
    x = [1.2] * (lag + 1)
    for i in range(discard + n_steps):
        past = x[i]
        x.append(x[-1] + h * (0.2 * past / (1 + past**10) - 0.1 * x[-1]))
    x = np.array(x[-n_steps:])
    return x - x.mean()


n_learn, n_live, n_ahead = (round(s / DT) for s in (LEARN, LIVE, AHEAD))
series = mackey_glass(n_learn + n_live + n_ahead, DT / UNIT)
now, ahead = series[n_learn:-n_ahead, None], series[n_learn + n_ahead :]


def with_future_value(t, x):
    """Prediction, and the value that the series will have at that time."""
    return x[0], ahead[(round(t / DT) - 1) % n_live]


model = nengo.Network(label="Mackey-Glass", seed=0)
with model:
    signal = nengo.Node(nengo.processes.PresentInput(now, DT), label="series")
    memory = LegendreMemory(THETA, ORDER, dt=DT, label="memory")
    # states of the memory in the first part of the series, and the values to predict
    states = simulate(*memory.discrete(), series[:n_learn, None])[2000::20]
    later = series[2000 + n_ahead + round(TAU / DT) :][: n_learn - 2000 : 20, None]
    # partly whitened: small directions count, though less; vectors have a length of about 1
    axes, spread, _ = np.linalg.svd(states.T @ states / len(states))
    turned = (axes / spread**0.25).T / np.sqrt(np.sum(spread**0.5))
    neurons = nengo.Ensemble(
        1000,
        ORDER,
        radius=1.5,
        max_rates=nengo.dists.Uniform(60, 120),
        label="spikes of the read-out",
    )
    predicted = nengo.Node(size_in=1, label="predicted")
    both = nengo.Node(with_future_value, size_in=1, size_out=2, label="both")
    nengo.Connection(signal, memory.input, synapse=None)
    nengo.Connection(memory.output, neurons, transform=turned, synapse=None)
    nengo.Connection(
        neurons,
        predicted,
        eval_points=states @ turned.T,
        function=later,
        scale_eval_points=False,
        solver=nengo.solvers.LstsqL2(reg=0.02),
        synapse=TAU,
    )
    nengo.Connection(predicted, both, synapse=None)
    view = window_view(memory, limits=(-1, 1), label="window")


def draw(seconds):
    """Simulate, and draw each prediction at the time for which it was made."""
    from matplotlib import pyplot

    with model:
        probe = nengo.Probe(both)
    with nengo.Simulator(model, dt=DT, progress_bar=False) as sim:
        sim.run(seconds)

    guess, truth = sim.data[probe].T
    t = sim.trange() + AHEAD
    figure, (top, bottom) = pyplot.subplots(
        2, 1, sharex=True, height_ratios=(3, 1), figsize=(8, 5), layout="constrained"
    )
    top.plot(t, truth, color="0.7", lw=4, label="series")
    top.plot(t, guess, color="tab:red", lw=1.2, label="predicted 0.3 s earlier")
    top.set(ylabel="series", title="Spiking neurons predict a chaotic series")
    bottom.plot(t, guess - truth, color="tab:red", lw=1)
    bottom.set(xlabel="time (s)", ylabel="error", xlim=(t[0], t[-1]))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=10.0)
