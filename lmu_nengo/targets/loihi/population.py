"""The neurons of a memory's channel on Loihi, with their weights as the chip has them."""

from dataclasses import dataclass

import nengo
import numpy as np

from lmu_nengo.targets.loihi.chip import round_weights, share_out, weight_grid

AXONS = 4096  # into a core, and as many out of it
INPUT_PAIRS = 4  # of spike trains, at least: their errors show in small dimensions


@dataclass(frozen=True, eq=False)
class Population:
    """
    Neurons of a channel, and their weights before they are rounded.

    Parameters
    ----------
    neuron_type : nengo.neurons.NeuronType
        Their type.
    encoders : ndarray of shape (n_neurons, state_d)
        With the gains: the current is ``encoders @ x + bias``. The last neuron's are zero.
    bias : ndarray of shape (n_neurons,)
        The current without input.
    decoders : ndarray of shape (state_d, n_neurons)
        From spikes to the state.
    weights : ndarray of shape (n_neurons, n_neurons)
        Recurrent weights.
    reference, quantum : float
        See `weight_grid`.
    """

    neuron_type: nengo.neurons.NeuronType
    encoders: np.ndarray
    bias: np.ndarray
    decoders: np.ndarray
    weights: np.ndarray
    reference: float
    quantum: float

    @classmethod
    def make(cls, neuron_type, encoders, bias, decoders, n_neurons, mapping, grid):
        """Add neurons that never fire, at least one, and find the weights."""
        idle = n_neurons - len(bias)
        encoders = np.pad(encoders, ((0, idle), (0, 0)))
        decoders, bias = np.pad(decoders, ((0, 0), (0, idle))), np.pad(bias, (0, idle))
        weights = encoders @ mapping.recurrent @ decoders
        reference, quantum = weight_grid(np.abs(weights).max(), *grid)
        return cls(neuron_type, encoders, bias, decoders, weights, reference, quantum)

    def rounded(self, trajectory, mapping, input_range, dt):
        """Return the neurons with the weights that the chip has."""
        activities = self.neuron_type.rates(trajectory @ self.encoders.T, 1, self.bias)
        weights = round_weights(self.weights, activities, self.quantum)
        weights[:, -1] = self.reference
        # a spike of the input in each step is an input of input_range; it carries more
        # than a neuron's spike, so that its weight is shared out to axons
        inputs = self.encoders @ mapping.input_transform[:, 0] * input_range
        inputs = share_out(inputs, self.quantum / dt, INPUT_PAIRS)
        return ChannelNeurons(self.neuron_type, self.bias, self.decoders, weights, inputs)


@dataclass(frozen=True, eq=False)
class ChannelNeurons:
    """
    Neurons of a channel.

    Parameters
    ----------
    neuron_type : nengo.neurons.NeuronType
        Their type.
    bias : ndarray of shape (n_neurons,)
        The current without input.
    decoders : ndarray of shape (state_d, n_neurons)
        From spikes to the state.
    weights : ndarray of shape (n_neurons, n_neurons)
        Recurrent weights, multiples of the chip's quantum; the last column is the
        reference.
    input_weights : ndarray of shape (n_neurons, n_axons)
        For an input in [-1, 1], the same through all axons.
    """

    neuron_type: nengo.neurons.NeuronType
    bias: np.ndarray
    decoders: np.ndarray
    weights: np.ndarray
    input_weights: np.ndarray
