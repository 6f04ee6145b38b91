"""Spiking neurons in training: whole sequences of spikes, rates for the gradient."""

import nengo
import tensorflow as tf

# their voltage is a sum, so that the spikes of all steps follow from all rates
INTEGRATING = (nengo.SpikingRectifiedLinear, nengo.RegularSpiking)


class SpikesBuilder:
    """
    Runs what NengoDL has for a group of spiking neurons in other ways.

    Parameters
    ----------
    neurons : nengo_dl.neuron_builders.TFNeuronBuilder
        NengoDL's builder.
    n_steps : int or None
        Steps of the sequences that the rows are made of, if time is folded into them.
    in_training : bool
        Whether neurons fire on the forward pass of training as well, where NengoDL takes
        their rates. The backward pass takes the rates in either case.
    """

    def __init__(self, neurons, n_steps, in_training):
        self.neurons = neurons
        self.n_steps = n_steps
        self.in_training = in_training

    def build_pre(self, signals, config):
        """Let NengoDL prepare."""
        self.neurons.build_pre(signals, config)

    def build_step(self, signals):
        """Fire, or give rates."""
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


def use_spikes(op_builder, n_steps, in_training):
    """Put a `SpikesBuilder` in the place of NengoDL's where it does something else."""
    for builder in op_builder.op_builds.values():
        neurons = getattr(builder, "built_neurons", None)
        if not getattr(neurons, "spiking", False):
            continue
        if in_training or (n_steps and type(neurons.ops[0].neurons) in INTEGRATING):
            builder.built_neurons = SpikesBuilder(neurons, n_steps, in_training)


def fire(increments, voltage, n_steps):
    """
    Spikes of integrate-and-fire neurons in all steps.

    Parameters
    ----------
    increments : tf.Tensor of shape (batch * n_steps, n_neurons)
        What is added to the voltage in each step; each whole of it is a spike.
    voltage : tf.Tensor of shape (batch * n_steps, n_neurons)
        First voltage, repeated for every step.
    n_steps : int
        Steps in each sequence.

    Returns
    -------
    spikes : tf.Tensor of shape (batch * n_steps, n_neurons)
        Their numbers.
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
