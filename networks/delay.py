"""A spiking memory delays a signal by one second.

White noise of up to 1 Hz goes into a memory of 1,000 spiking neurons, whose window is
one second long. The far end of the window is read from it: the signal, one second late.

Open it in Nengo GUI (``nengo networks/delay.py``) or draw it with
``python networks/delay.py --out delay.png``.
"""

from collections import deque

import nengo

from lmu_nengo import LegendreMemory, Spiking, delay_decoders

THETA = 1.0  # seconds
ORDER = 6
DT = 0.001


class ExactDelay(nengo.Process):
    """Value of one window ago, from a list of all values since."""

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
        THETA, ORDER, realization=Spiking(1000), dt=DT, label="spiking memory"
    )
    decoded = nengo.Node(size_in=1, label="decoded, 1 s late")
    truth = nengo.Node(ExactDelay(default_size_in=1), label="truth, 1 s late")
    nengo.Connection(signal, memory.input, synapse=None)
    nengo.Connection(
        memory.output, decoded, transform=delay_decoders(ORDER, 1.0), synapse=0.1
    )
    nengo.Connection(signal, truth, synapse=0.1)


def main(out, seconds):
    """Simulate, and draw signal, delayed signal and spikes into a file."""
    import numpy as np
    from matplotlib.figure import Figure

    with model:
        probes = [nengo.Probe(node) for node in (signal, truth, decoded)]
        spikes = nengo.Probe(memory.ensembles[0].neurons)
    with nengo.Simulator(model, dt=DT) as sim:
        sim.run(seconds)

    figure = Figure(figsize=(8, 5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    t = sim.trange()
    styles = (("signal", "0.8", 1), ("signal one second ago", "black", 3))
    styles += (("decoded from the spiking memory", "tab:red", 1.2),)
    for probe, (label, color, width) in zip(probes, styles, strict=True):
        top.plot(t, sim.data[probe], label=label, color=color, lw=width)
    top.set(ylabel="value", title="1,000 spiking neurons remember one second")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    # a few neurons of each dimension: those whose encoders point along it
    owners = np.array(memory.ensembles[0].encoders).T
    of_each = [np.flatnonzero(owner) for owner in owners]
    shown = np.concatenate([own[len(own) // 3 :: len(own) // 12][:8] for own in of_each])
    trains = [np.flatnonzero(train) * DT for train in sim.data[spikes].T[shown]]
    bottom.eventplot(trains, colors=[f"C{i // 8}" for i in range(len(trains))], lw=0.3)
    bottom.set_title("spikes of 8 neurons for each of the 6 dimensions")
    bottom.set(xlabel="time (s)", ylabel="neuron", xlim=(0, seconds))
    figure.savefig(out, dpi=150)


if __name__ == "__main__":
    import click

    @click.command(help=__doc__)
    @click.option("--out", default="delay.png", show_default=True, help="The picture.")
    @click.option("--seconds", default=6.0, show_default=True, help="How long to run.")
    def command(out, seconds):
        """Read the options."""
        main(out, seconds)

    command()
