"""Rate networks of the psMNIST experiments: their sizes, and how they are trained."""

from typing import NamedTuple

import numpy as np

import lmu_nengo
from experiments._lib.command_line import console
from experiments._lib.results import checksum
from experiments.psmnist import _network, _trainer
from experiments.psmnist._distortion import distort
from lmu_nengo.processes import Dropout


class Preset(NamedTuple):
    """
    Size of the network, and how it is trained.

    Attributes
    ----------
    order : int
        Order of the memory.
    hidden : tuple of int
        Rectified linear neurons in each hidden layer.
    dropout : tuple of float
        Rate for the memory, then for each hidden layer.
    push : float
        Adversarial training: half of each batch is shown with its pixels moved by this
        Euclidean distance in the direction in which the loss grows fastest; 0 for none.
    distorted : bool
        Show every image distorted in a new way in each epoch.
    epochs, batch : int
        Passes over the digits; digits in a batch.
    rate : float
        Initial learning rate; it falls to zero as a cosine.
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


# "small" and "large" were chosen by validation accuracy with seed 100
PRESETS = {
    "small": Preset(
        order=300,
        hidden=(400, 120),
        dropout=(0.1, 0.2, 0.2),
        push=0.8,
        distorted=False,
        epochs=40,
        batch=200,
        rate=2e-3,
        n_validation=5000,
    ),
    "large": Preset(
        order=784,
        hidden=(1200, 600),
        dropout=(0.1, 0.3, 0.3),
        push=1.0,
        distorted=False,
        epochs=40,
        batch=200,
        rate=2e-3,
        n_validation=5000,
    ),
    "augmented": Preset(
        order=784,
        hidden=(1200, 600),
        dropout=(0, 0.1, 0.2),
        push=0,
        distorted=True,
        epochs=80,
        batch=200,
        rate=2e-3,
        n_validation=5000,
    ),
}
SMALL_DIGITS = Preset(
    order=64,
    hidden=(128,),
    dropout=(0.3, 0.5),
    push=0,
    distorted=False,
    epochs=200,
    batch=20,
    rate=2e-3,
    n_validation=240,
)


class Trained(NamedTuple):
    """
    How a training went.

    Attributes
    ----------
    history : dict of {str: list of float}
        Loss and accuracy by epoch.
    parameters : int
        Number of trained parameters.
    seconds : float
        Time that the epochs took, in all runs together.
    """

    history: dict
    parameters: int
    seconds: float


def build(n_steps, preset, seed):
    """Build the network of a preset, with dropout, for digits of ``n_steps`` pixels."""
    sizes = (preset.order, *preset.hidden)
    dropout = [Dropout(rate, n) for rate, n in zip(preset.dropout, sizes, strict=True)]
    scale = _network.white_noise_scale(n_steps, preset.order)
    return _network.build(n_steps, preset.hidden, dropout, seed, scale)


def count_parameters(preset):
    """Number of trained parameters: hidden layers with their biases, and the read-out."""
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
    resume=False,
    engine="dl",
):
    """
    Train with a windowed memory, and freeze the best epoch into the network.

    Parameters
    ----------
    classifier : Classifier
        What `build` returned.
    preset : Preset
        How to train.
    images : ndarray of shape (n_digits, n_steps)
        Digits, row by row.
    y : ndarray of shape (n_digits,)
        Labels.
    order : ndarray of shape (n_steps,)
        Which pixel is shown in each step.
    validation : tuple of (ndarray, ndarray)
        As ``images, y``; the epoch with the best accuracy on it is kept.
    seed : int
        Seed of shuffling, distortion and dropout.
    checkpoint : Path
        File that is written after every epoch.
    seconds : float
        Time after which no further epoch is started, earlier runs included.
    resume : bool
        Whether to resume from the checkpoint, which must have been written by such a
        training.
    engine : {"dl", "jax"}
        Train with NengoDL or with JAX.

    Returns
    -------
    trained : Trained
        How it went.
    """
    if engine == "jax":
        how = order, validation, seed, checkpoint, seconds, resume
        return Trained(*_trainer.train(classifier, preset, images, y, *how))
    from lmu_nengo.training import Checkpoint, Simulator, nengo_dl  # noqa: F401, I001
    import tensorflow as tf

    network, output = classifier.network, classifier.output
    batch, epochs = preset.batch, preset.epochs
    n_used = len(images) // batch * batch  # NengoDL takes whole batches only
    lmu_nengo.realize(network, lmu_nengo.Windowed(images.shape[1]))
    with Simulator(network, minibatch_size=batch, seed=seed, progress_bar=False) as sim:
        if preset.push:
            cross_entropy = tf.losses.SparseCategoricalCrossentropy(from_logits=True)
            push_inputs(sim.keras_model, "pixel", cross_entropy, preset.push)
        _network.compile_classifier(
            sim,
            output,
            _network.adam_with_decay(preset.rate, epochs * (n_used // batch)),
            jit_compile=True,
            steps_per_execution=5,  # divides the number of batches of most sets
        )
        settings = {
            **preset._asdict(),
            "seed": seed,
            "data": checksum(images, y, order, *validation),
        }
        keeper = Checkpoint(sim, checkpoint, "val_output_accuracy", resume, settings)
        held_out = validation[0][:, order, None], _network.as_targets(output, validation[1])
        for epoch in range(keeper.epoch, epochs):
            if keeper.seconds > seconds:
                break
            rng = np.random.default_rng([seed, epoch])
            used = rng.permutation(len(images))[:n_used]
            shown = distort(images[used], rng) if preset.distorted else images[used]
            sim.fit(
                shown[:, order, None],
                _network.as_targets(output, y[used]),
                validation_data=held_out,
                initial_epoch=epoch,
                epochs=epoch + 1,
                callbacks=[keeper],
                shuffle=False,
                verbose=0,
            )
            right = 100 * keeper.history["val_output_accuracy"][-1]
            console.print(f"Epoch {epoch + 1}/{epochs}: validation accuracy {right:.2f} %")
        keeper.restore_best()
        parameters = _network.count_trained(sim)
    return Trained(keeper.history, parameters, keeper.seconds)


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
            outputs = model(inputs, training=False)  # dropout would hide the gradient
            value = loss(targets["output"], outputs[0])
        gradient = tape.gradient(value, x)
        length = tf.norm(gradient, axis=(1, 2), keepdims=True) + 1e-12
        moves = tf.reshape(tf.range(x.shape[0]) % 2, (-1, 1, 1))
        move = distance * tf.cast(moves, x.dtype) * gradient / length
        return plain_step(({**inputs, name: x + move}, targets))

    model.train_step = train_step
