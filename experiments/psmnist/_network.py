"""The network that reads a digit pixel by pixel, and how it is trained."""

import time
from typing import NamedTuple

import nengo
import numpy as np

import lmu_nengo
from experiments._lib.common import console
from experiments.psmnist._distortion import distort


class Preset(NamedTuple):
    """
    Size of the network, and how it is trained.

    Attributes
    ----------
    order : int
        Legendre polynomials in the memory.
    hidden : tuple of int
        Rectified linear neurons in each hidden layer.
    dropout : tuple of float
        Rate for the memory, then for each hidden layer.
    push : float
        Half of each batch is shown with its pixels moved by this much (Euclidean) to
        where the loss grows fastest; 0 for not.
    distorted : bool
        Show every image distorted in a new way in each epoch.
    epochs, batch : int
        Passes over the digits; digits in a batch.
    rate : float
        First learning rate; it falls to zero as a cosine.
    n_validation : int
        Digits held out to choose the epoch.
    """

    order: int
    hidden: tuple
    dropout: tuple
    push: float
    distorted: bool
    epochs: int
    batch: int
    rate: float
    n_validation: int


class Classifier(NamedTuple):
    """
    The network, and the objects in it that are needed later.

    Attributes
    ----------
    network : nengo.Network
        All of it.
    pixel : nengo.Node
        Shows a digit, one pixel in each step.
    normalize : nengo.Connection
        Gives every coefficient of a permuted digit the same variance; not trained.
    hidden : list of nengo.Ensemble
        The hidden layers.
    output : nengo.Probe
        Ten values, the largest one is the answer.
    """

    network: nengo.Network
    pixel: nengo.Node
    normalize: nengo.Connection
    hidden: list
    output: nengo.Probe


def build(n_steps, preset, seed, dt=0.001):
    """
    Build the network.

    Parameters
    ----------
    n_steps : int
        Pixels in a digit; one is shown in each step.
    preset : Preset
        Its size.
    seed : int
        Seed of network and weights.
    dt : float
        Step in seconds.

    Returns
    -------
    classifier : Classifier
        Network and the objects in it that are needed later.
    """
    rng = np.random.RandomState(seed)

    def glorot(n_out, n_in):
        limit = np.sqrt(6 / (n_in + n_out))
        return rng.uniform(-limit, limit, size=(n_out, n_in))

    connect = nengo.Connection
    order = preset.order
    with nengo.Network(seed=seed, label="psmnist") as network:
        pixel = nengo.Node([0], label="pixel")
        memory = lmu_nengo.LegendreMemory(n_steps * dt, order, dt=dt, label="memory")
        connect(pixel, memory.input, synapse=None)
        layer = nengo.Node(lmu_nengo.processes.Dropout(preset.dropout[0], order))
        # the coefficients of white noise have variances as 2 i + 1
        scale = np.sqrt(n_steps / (2 * np.arange(order) + 1))
        normalize = connect(memory.output, layer, transform=scale, synapse=None)
        hidden = []
        for i, (n, rate) in enumerate(
            zip(preset.hidden, preset.dropout[1:], strict=True), start=1
        ):
            ensemble = nengo.Ensemble(
                n,
                1,
                neuron_type=nengo.RectifiedLinear(),
                gain=np.ones(n),
                bias=np.zeros(n),
                label=f"hidden {i}",
            )
            weights = glorot(n, layer.size_out)
            connect(layer, ensemble.neurons, transform=weights, synapse=None)
            layer = nengo.Node(lmu_nengo.processes.Dropout(rate, n))
            connect(ensemble.neurons, layer, synapse=None)
            hidden.append(ensemble)
        digit = nengo.Node(size_in=10, label="digit")
        connect(layer, digit, transform=glorot(10, layer.size_out), synapse=None)
        output = nengo.Probe(digit, label="output")
    return Classifier(network, pixel, normalize, hidden, output)


def configure(classifier):
    """Tell NengoDL to show the end of each digit only, and what not to train."""
    from lmu_nengo.training import nengo_dl

    with classifier.network:
        nengo_dl.configure_settings(keep_history=False, trainable=None)
    classifier.network.config[classifier.normalize].trainable = False


def count_parameters(preset):
    """Numbers that are trained: hidden layers with their biases, and the read-out."""
    sizes = (preset.order, *preset.hidden)
    hidden = sum((n + 1) * above for n, above in zip(sizes, preset.hidden, strict=False))
    return hidden + sizes[-1] * 10


def train(
    classifier,
    preset,
    images,
    y,
    order,
    validation,
    seed,
    checkpoint,
    seconds=np.inf,
    **resume,
):
    """
    Train with the memory windowed and freeze the best epoch into the network.

    Parameters
    ----------
    classifier : Classifier
        What `build` gave.
    preset : Preset
        How to train.
    images : ndarray of shape (n_digits, n_steps)
        Digits, row after row.
    y : ndarray of shape (n_digits,)
        What they show.
    order : ndarray of shape (n_steps,)
        Which pixel is shown in each step.
    validation : tuple of (ndarray, ndarray)
        As ``images, y``; the epoch with the best accuracy on it is kept.
    seed : int
        Seed of shuffling, distortion and dropout.
    checkpoint : Path
        File that is written after every epoch.
    seconds : float
        No further epoch is begun after so many.
    **resume
        ``resume`` and ``settings`` of `lmu_nengo.training.Checkpoint`.

    Returns
    -------
    history : dict of {str: list of float}
        Loss and accuracy by epoch.
    parameters : int
        Trained numbers.
    """
    import tensorflow as tf

    from lmu_nengo.training import Checkpoint, Simulator

    network, output = classifier.network, classifier.output
    batch, epochs = preset.batch, preset.epochs
    n_used = len(images) // batch * batch  # NengoDL takes whole batches only
    lmu_nengo.realize(network, lmu_nengo.Windowed(images.shape[1]))
    with Simulator(network, minibatch_size=batch, seed=seed, progress_bar=False) as sim:
        cross_entropy = tf.losses.SparseCategoricalCrossentropy(from_logits=True)
        if preset.push:
            push_inputs(sim.keras_model, "pixel", cross_entropy, preset.push)
        schedule = tf.optimizers.schedules.CosineDecay
        sim.compile(
            tf.optimizers.Adam(schedule(preset.rate, epochs * (n_used // batch))),
            loss={output: cross_entropy},
            metrics={output: "accuracy"},
            jit_compile=True,
            steps_per_execution=5,  # divides the number of batches of most sets
        )
        keeper = Checkpoint(sim, checkpoint, "val_output_accuracy", **resume)
        held_out = validation[0][:, order, None], {output: validation[1][:, None, None]}
        started = time.perf_counter()
        for epoch in range(keeper.epoch, epochs):
            if time.perf_counter() - started > seconds:
                break
            rng = np.random.default_rng([seed, epoch])
            used = rng.permutation(len(images))[:n_used]
            shown = distort(images[used], rng) if preset.distorted else images[used]
            sim.fit(
                shown[:, order, None],
                {output: y[used][:, None, None]},
                validation_data=held_out,
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=[keeper],
                shuffle=False,
                verbose=0,
            )
            right = keeper.history["val_output_accuracy"][-1]
            console.print(f"Epoch {epoch + 1}/{epochs}: {100 * right:.2f} % (validation)")
        keeper.restore_best()
        parameters = sum(int(tf.size(w)) for w in sim.keras_model.trainable_weights)
        sim.freeze_params(network)
    return keeper.history, parameters


def push_inputs(model, name, loss, distance):
    """
    Let a Keras model train on inputs that are made harder for it: adversarial training.

    Every other row of a batch is moved by ``distance`` along the gradient of its loss
    (Goodfellow et al. 2015, with the Euclidean norm of Miyato et al. 2016).

    Parameters
    ----------
    model : tf.keras.Model
        Of NengoDL, with one probe.
    name : str
        Name of the input node whose sequence is moved.
    loss : callable
        Loss of targets and outputs.
    distance : float
        Euclidean length of the move.
    """
    import tensorflow as tf

    plain_step = model.train_step

    def train_step(data):
        inputs, targets = data
        x = inputs[name]
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = model(inputs, training=False)  # where no dropout hides it
            value = loss(targets["output"], outputs[0])
        gradient = tape.gradient(value, x)
        length = tf.norm(gradient, axis=(1, 2), keepdims=True) + 1e-12
        moves = tf.reshape(tf.range(x.shape[0]) % 2, (-1, 1, 1))
        move = distance * tf.cast(moves, x.dtype) * gradient / length
        return plain_step(({**inputs, name: x + move}, targets))

    model.train_step = train_step
