"""Spiking neurons in training: spikes of whole sequences, gradients of the rates."""

import tensorflow as tf

from lmu_nengo.training._nengo_dl import replace_neurons
from lmu_nengo.training.plan.checks import INTEGRATING


class SpikesBuilder:
    """
    Computes a group of spiking neurons for whole sequences, or with spikes in training.

    Parameters
    ----------
    neurons : nengo_dl.neuron_builders.TFNeuronBuilder
        NengoDL's builder.
    n_steps : int or None
        Steps of the sequences that the rows are made of, if time is folded into them.
    in_training : bool
        Whether neurons fire on the forward pass of training as well, where NengoDL uses
        their rates. The backward pass uses the rates in either case.
    """

    def __init__(self, neurons, n_steps, in_training):
        self.neurons = neurons
        self.n_steps = n_steps
        self.in_training = in_training

    def build_pre(self, signals, config):
        """Let NengoDL's builder prepare."""
        self.neurons.build_pre(signals, config)

    def build_step(self, signals):
        """Compute spikes, or rates in training."""
        neurons = self.neurons
        current = signals.gather(neurons.J_data)
        state = {name: signals.gather(data) for name, data in neurons.state_data.items()}
        rates = neurons.training_step(current, signals.dt, **state)
        if self.n_steps and state:
            spikes = fire(rates / neurons.alpha, state["voltage"], self.n_steps)
            spikes *= neurons.alpha
        else:
            step = neurons.step(current, signals.dt, **state)
            spikes, *after = tf.nest.flatten(step)
            for data, value in zip(neurons.state_data.values(), after, strict=True):
                signals.scatter(data, tf.stop_gradient(value))
        output = straight_through(rates, tf.stop_gradient(spikes))
        if not self.in_training:
            output = tf.keras.backend.in_train_phase(rates, output, neurons.config.training)
        signals.scatter(neurons.output_data, output)


def use_spikes(graph, n_steps, in_training):
    """Let a graph use a `SpikesBuilder` wherever NengoDL's builder does not suffice."""

    def replace(neurons):
        if not getattr(neurons, "spiking", False):
            return neurons
        if in_training or (n_steps and type(neurons.ops[0].neurons) in INTEGRATING):
            return SpikesBuilder(neurons, n_steps, in_training)
        return neurons

    replace_neurons(graph, replace)


def fire(increments, voltage, n_steps):
    """
    Spikes of integrate-and-fire neurons in all steps.

    Parameters
    ----------
    increments : tf.Tensor of shape (batch * n_steps, n_neurons)
        What is added to the voltage in each step; each whole unit is a spike.
    voltage : tf.Tensor of shape (batch * n_steps, n_neurons)
        Initial voltage, repeated for every step.
    n_steps : int
        Steps in each sequence.

    Returns
    -------
    spikes : tf.Tensor of shape (batch * n_steps, n_neurons)
        Number of spikes in each step.
    """
    increments, voltage = (
        tf.reshape(x, (-1, n_steps, x.shape[-1])) for x in (increments, voltage)
    )
    total = tf.floor(voltage + tf.cumsum(increments, axis=1))
    spikes = total - tf.pad(total[:, :-1], [[0, 0], [1, 0], [0, 0]])
    return tf.reshape(spikes, (-1, spikes.shape[-1]))


@tf.custom_gradient
def straight_through(rates, spikes):
    """Spikes, with the gradient of the rates."""
    return tf.identity(spikes), lambda error: (error, tf.zeros_like(error))
