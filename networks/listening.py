"""
A network that listens
======================

A sensor on a motor gives a sample every millisecond. The memory holds the last 0.2
seconds, and weights that were fitted to the first seconds tell from it what the next sample
should be. The difference between the sample and the expectation is small as long as the
motor sounds as it always does, and large when something knocks: at 6, 8 and 9 seconds.

The figure is drawn by a loop such as a microphone's: it gets blocks of 50 samples, pushes
them into a `lmu_nengo.Stream` and looks at the answer before the next block comes. The
recording is made here; in an application the loop reads from a device.

Open it in Nengo GUI (``nengo networks/listening.py``) or draw it with
``python networks/listening.py --out listening.png``.
"""

import nengo
import numpy as np

from lmu_nengo import LegendreMemory, Stream
from lmu_nengo.signal import simulate

THETA = 0.2  # seconds
ORDER = 12
DT = 0.001
TRAINING = 4.0  # seconds to which the weights are fitted
BLOCK = 50  # samples that come at once
LIMIT = 5.0  # times the usual difference


def record(seconds=10.0, seed=0):
    """Hum of a motor with noise, and three knocks; of shape (n_samples, 1)."""
    rng = np.random.RandomState(seed)
    t = DT * np.arange(round(seconds / DT))
    hum = np.sin(2 * np.pi * 7.0 * t) + 0.5 * np.sin(2 * np.pi * 11.0 * t)
    knocks = sum(
        (t > start) * np.exp(-(t - start) / 0.03) * np.sin(2 * np.pi * 60 * (t - start))
        for start in (6.0, 8.0, 9.0)
    )
    return (hum + 0.5 * knocks + 0.05 * rng.randn(len(t)))[:, None]


def fit(recording, matrices):
    """Weights from the memory to the next sample, by least squares, and the error's rms."""
    states = simulate(*matrices, recording)
    past, following = states[:-1], recording[1:]
    weights = np.linalg.lstsq(past, following, rcond=None)[0].T
    return weights, np.std(following - past @ weights.T)


recording = record()
model = nengo.Network(label="listening", seed=0)
with model:
    sensor = nengo.Node(nengo.processes.PresentInput(recording, DT), label="sensor")
    memory = LegendreMemory(THETA, ORDER, dt=DT, label="memory")
    weights, usual = fit(recording[: round(TRAINING / DT)], memory.discrete())
    surprise = nengo.Node(size_in=1, label="sample - expectation")
    nengo.Connection(sensor, memory.input, synapse=None)
    nengo.Connection(sensor, surprise, synapse=None)
    nengo.Connection(memory.output, surprise, transform=-weights, synapse=0)  # of before


def draw(seconds):
    """Listen block by block, and draw what was heard."""
    from matplotlib import pyplot

    heard = record(seconds)
    answers, alarms = [], []
    with Stream(model, sensor, surprise, dt=DT) as stream:
        for start in range(0, len(heard), BLOCK):
            block = heard[start : start + BLOCK]  # from the device
            answer = stream.push(block)
            if np.abs(answer).max() > LIMIT * usual and start > 0:
                alarms.append(DT * start)
            answers.append(answer)

    figure, rows = pyplot.subplots(2, 1, sharex=True, figsize=(8, 4), layout="constrained")
    t = DT * np.arange(1, len(heard) + 1)
    for axes, values, name in zip(
        rows, (heard, np.concatenate(answers)), ("sample", surprise.label), strict=True
    ):
        axes.plot(t, values, lw=0.6)
        axes.set_title(name, fontsize="medium")
        for alarm in alarms:
            axes.axvspan(alarm, alarm + DT * BLOCK, color="C3", alpha=0.3, lw=0)
    rows[1].set(xlabel="time (s)", xlim=(0, seconds), ylim=(-1, 1))
    figure.suptitle("What the memory does not expect (red: more than five times the usual)")
    return figure


if __name__ == "__main__":
    from lmu_nengo.viz.plotting import command_line

    command_line(draw, __doc__, seconds=10.0)
