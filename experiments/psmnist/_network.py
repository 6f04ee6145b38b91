"""The network that reads a digit pixel by pixel: built, compiled for training, tested."""

from contextlib import contextmanager
from typing import NamedTuple

import nengo
import numpy as np
from rich.progress import track

import lmu_nengo
from experiments._lib.command_line import console
from experiments._lib.parallel import use_all_cores
from lmu_nengo import targets
from lmu_nengo.training import configure_settings

DT = 0.001


class Classifier(NamedTuple):
    """
    The network and those of its objects that are needed later.

    Attributes
    ----------
    network : nengo.Network
        The whole network.
    pixel : nengo.Node
        Input: a digit, one pixel in each step.
    memory : lmu_nengo.LegendreMemory
        Its window is as long as a digit.
    normalize : nengo.Connection
        Scales every coefficient of the memory to about the same variance; not trained.
    hidden : list of nengo.Ensemble
        The hidden layers.
    output : nengo.Probe
        Ten values, the largest of which is the answer; only the last step is kept.
    """

    network: nengo.Network
    pixel: nengo.Node
    memory: lmu_nengo.LegendreMemory
    normalize: nengo.Connection
    hidden: list
    output: nengo.Probe


def build(n_steps, hidden, regularization, seed, scale, bias=False):
    """
    Build the network: a memory, hidden layers of rectified linear neurons and a read-out.

    Parameters
    ----------
    n_steps : int
        Pixels in a digit; each is shown for one step.
    hidden : tuple of int
        Neurons in each hidden layer.
    regularization : list of nengo.Process
        Noise or dropout for the memory and for each hidden layer, in training only.
    seed : int
        Seed of the network and of the weights.
    scale : ndarray of shape (order,)
        Factors that normalize the memory's coefficients.
    bias : bool
        Whether the read-out has biases.

    Returns
    -------
    classifier : Classifier
        The network and those of its objects that are needed later.
    """
    rng = np.random.RandomState(seed)

    def glorot(n_out, n_in):
        limit = np.sqrt(6 / (n_in + n_out))
        return rng.uniform(-limit, limit, size=(n_out, n_in))

    connect, order = nengo.Connection, len(scale)
    with nengo.Network(seed=seed, label="psmnist") as network:
        configure_settings(keep_history=False)
        pixel = nengo.Node([0], label="pixel")
        one = nengo.Node([1], label="one") if bias else None
        memory = lmu_nengo.LegendreMemory(n_steps * DT, order, dt=DT, label="memory")
        connect(pixel, memory.input, synapse=None)
        layer = nengo.Node(regularization[0], label="normalized memory")
        normalize = connect(memory.output, layer, transform=scale, synapse=None)
        network.config[normalize].trainable = False
        layers = []
        for i, (n, process) in enumerate(
            zip(hidden, regularization[1:], strict=True), start=1
        ):
            ensemble = nengo.Ensemble(
                n,
                1,
                neuron_type=nengo.RectifiedLinear(),
                gain=np.ones(n),
                bias=np.zeros(n),
                label=f"hidden {i}" if len(hidden) > 1 else "hidden",
            )
            weights = glorot(n, layer.size_out)
            connect(layer, ensemble.neurons, transform=weights, synapse=None)
            layer = nengo.Node(process, label=f"output of {ensemble.label}")
            connect(ensemble.neurons, layer, synapse=None)
            layers.append(ensemble)
        digit = nengo.Node(size_in=10, label="digit")
        connect(layer, digit, transform=glorot(10, layer.size_out), synapse=None)
        if bias:
            connect(one, digit, transform=np.zeros((10, 1)), synapse=None)
        output = nengo.Probe(digit, label="output")
    return Classifier(network, pixel, memory, normalize, layers, output)


def white_noise_scale(n_steps, order):
    """Factors that normalize coefficients of white noise, whose variances go as 2 i + 1."""
    return np.sqrt(n_steps / (2 * np.arange(order) + 1))


def compile_classifier(sim, output, optimizer, **options):
    """Compile a simulator to minimize the cross-entropy of the labels."""
    import tensorflow as tf

    sim.compile(
        optimizer,
        loss={output: tf.losses.SparseCategoricalCrossentropy(from_logits=True)},
        metrics={output: "accuracy"},
        **options,
    )


def adam_with_decay(rate, n_batches):
    """Adam with a learning rate that falls to zero as a cosine."""
    import tensorflow as tf

    schedule = tf.optimizers.schedules.CosineDecay(rate, n_batches)
    return tf.optimizers.Adam(schedule)


def as_targets(output, y):
    """Labels of shape (n_digits,) as NengoDL takes them for the last step."""
    return {output: y[:, None, None]}


def count_trained(sim):
    """Number of trained parameters of a simulator."""
    return sum(int(np.prod(w.shape)) for w in sim.keras_model.trainable_weights)


def predict(
    network,
    pixel,
    probes,
    x,
    batch,
    hold=1,
    description="testing",
    engine="dl",
    unroll=1,
):
    """
    Show digits, and return what the probes hold at the end of each.

    Parameters
    ----------
    network : nengo.Network
        The network, its memories realized as they are to be run.
    pixel : nengo.Node
        Its input.
    probes : list of nengo.Probe
        What is read; only the last step is kept.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Sequences. Each starts with an empty memory.
    batch : int
        Sequences that run side by side.
    hold : int
        Steps for which each pixel is shown.
    description : str
        Text beside the progress bar.
    engine : {"dl", "jax", "trainer"}
        NengoDL, which also runs windowed memories, the compiled engine, or
        `lmu_nengo.training.Trainer`, for windowed memories.
    unroll : int
        Steps that NengoDL unrolls.

    Returns
    -------
    values : dict of {nengo.Probe: ndarray of shape (n_digits, 1, size)}
        Value of each probe in the last step.
    """
    if engine == "dl":
        running = in_nengo_dl(network, pixel, probes, batch, unroll)
    elif engine == "trainer":
        running = in_trainer(network, pixel, batch)
    else:
        running = in_engine(network, pixel, probes, batch, x.shape[1] * hold)
    values = {probe: [] for probe in probes}
    with running as show:
        for i in track(range(0, len(x), batch), description, console=console):
            shown = np.repeat(x[i : i + batch], hold, axis=1)
            n = len(shown)
            found = show(np.pad(shown, ((0, batch - n), (0, 0), (0, 0))))
            for probe in probes:
                values[probe].append(found[probe][:n, -1:])
    return {probe: np.concatenate(each) for probe, each in values.items()}


@contextmanager
def in_nengo_dl(network, pixel, probes, batch, unroll):
    """Provide a function of a batch of digits that gives the values of the probes."""
    from lmu_nengo.training import Simulator

    with Simulator(
        network, minibatch_size=batch, unroll_simulation=unroll, progress_bar=False
    ) as sim:
        yield lambda shown: sim.predict({pixel: shown}, verbose=0)


@contextmanager
def in_trainer(network, pixel, batch):
    """Do the same for windowed memories without NengoDL."""
    from lmu_nengo.training import Trainer

    trainer = Trainer(network, minibatch_size=batch, progress_bar=False)
    yield lambda shown: trainer.predict({pixel: shown})


@contextmanager
def in_engine(network, pixel, probes, batch, n_steps):
    """Do the same in the compiled engine, for digits of so many steps."""
    from lmu_nengo import engine

    use_all_cores()
    prepared = targets.prepare(network, "jax")
    copy, objects = prepared.network, prepared.objects
    for probe in copy.all_probes:  # the last step only, whatever the rounding of its time
        probe.sample_every = n_steps * DT * (1 - 1e-9)
    with engine.Simulator(copy, minibatch_size=batch, progress_bar=False) as sim:

        def show(shown):
            sim.reset()
            sim.run_steps(n_steps, data={objects[pixel]: shown})
            return {probe: np.array(sim.data[objects[probe]]) for probe in probes}

        yield show


def accuracy(values, y):
    """Percentage of digits, one in each row, whose largest value is at the label."""
    answers = np.reshape(values, (len(y), -1)).argmax(axis=1)
    return 100 * float(np.mean(answers == y))


def mean_spikes(counter, values, ensembles):
    """Mean number of spikes in a digit, of a `SpikeCounter` and what `predict` returned."""
    counts = counter.counts(values, DT)
    return float(sum(counts[ens].sum(axis=-1).mean() for ens in ensembles))
