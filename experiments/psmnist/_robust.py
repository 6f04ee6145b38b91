"""Rate networks that become robust to the noise of a spiking memory, and that memory."""

from typing import NamedTuple

import nengo
import numpy as np

import lmu_nengo
from experiments.psmnist import _network
from experiments.psmnist._network import DT
from lmu_nengo.processes import Dropout, GaussianNoise

N_EXPECTED = 20  # training digits that the memory's neurons are chosen for


class Preset(NamedTuple):
    """
    Settings, chosen on held-out training digits with permutation seeds from 100 up.

    Attributes
    ----------
    order : int
        Order of the memory.
    n_hidden : int
        Neurons in the hidden layer.
    epochs, batch : int
        Passes over the training digits; digits in a batch, in training and in testing.
    noise : float
        Standard deviation of the noise that is added to each normalized coefficient in
        training.
    steps : int
        Steps of 1 ms for which each pixel is shown.
    tau : float
        Time constant of the memory's synapses in seconds.
    neurons_per_d : int
        Neurons of the memory for each of its dimensions.
    memory_rate : float
        Firing rate in Hz of the memory's neurons at the end of their range.
    hidden_rate : float
        Firing rate in Hz of a hidden neuron for each unit of activity.
    """

    order: int
    n_hidden: int
    epochs: int
    batch: int
    noise: float
    steps: int = 5
    tau: float = 0.05
    neurons_per_d: int = 32
    memory_rate: float = 1000.0
    hidden_rate: float = 1000.0

    def spiking(self, x):
        """Spiking memory for digits like ``x``, of shape (n_digits, n_pixels, 1)."""
        pixels = x[:N_EXPECTED].reshape(-1, 1)
        return lmu_nengo.Spiking(
            self.order * self.neurons_per_d,
            nengo.SpikingRectifiedLinear(),
            synapse=self.tau,
            expected_input=nengo.processes.PresentInput(pixels, self.steps * DT),
            coordinates="principal",
            # one half of the neurons fires above zero, the other below: few spikes
            intercepts=nengo.dists.Uniform(0, 0),
            max_rates=nengo.dists.Uniform(self.memory_rate, self.memory_rate),
            lead=0,
        )


MNIST = Preset(order=192, n_hidden=512, epochs=40, batch=100, noise=0.15)
SMALL = Preset(order=32, n_hidden=128, epochs=200, batch=20, noise=0.1, hidden_rate=4000)


def build(x, preset, seed):
    """
    Build the network, for one step a pixel.

    Parameters
    ----------
    x : ndarray of shape (n_digits, n_pixels, 1)
        Training digits; every coefficient is divided by its standard deviation over them.
    preset : Preset
        Sizes and noise.
    seed : int
        Seed of the network and of the weights.

    Returns
    -------
    classifier : experiments.psmnist._network.Classifier
        The network, with one hidden layer.
    """
    regularization = [
        GaussianNoise(preset.noise, preset.order),
        Dropout(0.5, preset.n_hidden),
    ]
    scale = 1 / coefficients(x, preset.order).std(axis=0)
    hidden = (preset.n_hidden,)
    return _network.build(x.shape[1], hidden, regularization, seed, scale, bias=True)


def coefficients(x, order, steps=1):
    """
    Coefficients of an exact memory at the end of each digit.

    Parameters
    ----------
    x : ndarray of shape (n_digits, n_pixels, 1)
        Digits.
    order : int
        Order of the memory; its window is as long as a digit.
    steps : int
        Steps for which each pixel is shown.

    Returns
    -------
    coefficients : ndarray of shape (n_digits, order)
        Legendre coefficients.
    """
    n_steps = x.shape[1] * steps
    system = lmu_nengo.signal.state_space(n_steps * DT, order)
    system = lmu_nengo.signal.discretize(*system, DT)
    response = lmu_nengo.signal.impulse_response(*system, n_steps)
    by_pixel = response.reshape(x.shape[1], steps, -1).sum(axis=1)[::-1]
    return x[:, :, 0] @ by_pixel


def train(classifier, x, y, preset, seed):
    """
    Train with a windowed memory, and freeze the weights into the network.

    Parameters
    ----------
    classifier : experiments.psmnist._network.Classifier
        What `build` returned.
    x : ndarray of shape (n_digits, n_pixels, 1)
        Sequences.
    y : ndarray of shape (n_digits,)
        Labels.
    preset : Preset
        Epochs and batch.
    seed : int
        Seed of shuffling, noise and dropout.
    """
    from lmu_nengo.training import Simulator

    network, output = classifier.network, classifier.output
    batch, epochs = preset.batch, preset.epochs
    used = np.random.RandomState(seed).permutation(len(x))[: len(x) // batch * batch]
    lmu_nengo.realize(network, lmu_nengo.Windowed(x.shape[1]))
    with Simulator(network, minibatch_size=batch, seed=seed, progress_bar=False) as sim:
        _network.compile_classifier(
            sim,
            output,
            _network.adam_with_decay(2e-3, epochs * (len(used) // batch)),
            jit_compile=True,
            steps_per_execution=10,
        )
        sim.fit(
            {classifier.pixel: x[used]},
            _network.as_targets(output, y[used]),
            epochs=epochs,
            verbose=2,
        )
