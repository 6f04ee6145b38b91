"""
Neurons without a membrane: each fires in every step in which its current is above 1.

With thresholds spread evenly over the range of a dimension, the number of neurons that
fire is the value, rounded. The error is that of rounding: for a value that moves, white
noise that falls as 1/n, where neurons that fire in their own time would give low
frequencies as well, and 1/sqrt(n).

Sources: Bennett, "Spectra of quantized signals", Bell System Technical Journal 1948;
McCulloch and Pitts, "A logical calculus of the ideas immanent in nervous activity", 1943.
"""

import nengo
import numpy as np
from nengo.params import NumberParam

from lmu_nengo._validation import check_dt
from lmu_nengo.targets.loihi.chip import BIAS_MAX

MEMBRANE = 0.01  # time constant in steps: nothing of the voltage is left in the next
SCALE = BIAS_MAX  # a current of 1 on the chip, so that biases are between -1 and 1
CURRENT_MAX = 0.95 * 2**23  # of a compartment; beyond, it overflows
SPIKES_MAX = 0.95 * 2**21  # of all that arrives in a step
GAIN_MAX = 8.0  # higher gains make no weight finer that is not fine already


class ThresholdNeurons(nengo.LIF):
    """
    Neurons that fire in each step in which their current is above 1, and only then.

    nengo-loihi puts them on the chip as LIF neurons whose voltage decays within a step,
    without a refractory period. Below their threshold they are silent; above it their rate
    is ``1 / dt``.

    Parameters
    ----------
    dt : float
        Time step in seconds.

    Raises
    ------
    ValidationError
        If a simulator has another time step.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.targets.loihi.thresholds import ThresholdNeurons
    >>> ThresholdNeurons().rates(np.array([[0.5], [2.0]]), gain=np.ones(1), bias=0)
    array([[   0.],
           [1000.]])
    """

    state = {  # noqa: RUF012  as Nengo wants it
        "voltage": nengo.dists.Choice([0]),
        "refractory_time": nengo.dists.Choice([0]),
    }

    dt = NumberParam("dt", low=0, low_open=True)

    def __init__(self, dt: float = 0.001):
        super().__init__(tau_rc=MEMBRANE * dt, tau_ref=0)
        self.dt = dt

    def rates(self, x, gain, bias):
        """
        Return firing rates.

        Parameters
        ----------
        x : ndarray of shape (n_points, n_neurons)
            Value along each neuron's encoder.
        gain, bias : ndarray of shape (n_neurons,)
            The current is ``gain * x + bias``.

        Returns
        -------
        rates : ndarray of shape (n_points, n_neurons)
            In Hz.
        """
        return (gain * x + bias > 1) / self.dt

    def max_rates_intercepts(self, gain, bias):
        """
        Return the rates above the thresholds, and the thresholds.

        Parameters
        ----------
        gain, bias : ndarray of shape (n_neurons,)
            The current is ``gain * x + bias``.

        Returns
        -------
        max_rates, intercepts : ndarray of shape (n_neurons,)
            In Hz, and in the unit of the encoders.
        """
        return np.full(np.shape(gain), 1 / self.dt), (1 - bias) / gain

    def step(self, dt, J, output, voltage, refractory_time):
        """
        Advance by one step, in place.

        Parameters
        ----------
        dt : float
            Step in seconds.
        J, output, voltage, refractory_time : ndarray of shape (n_neurons,)
            Input current, spikes, and what a LIF neuron has; it stays zero.
        """
        check_dt(dt, self)
        output[:] = (J > 1) * (self.amplitude / dt)


def graded_neurons(n_pairs, largest, kept: float, dt: float) -> tuple[np.ndarray, ...]:
    """
    `ThresholdNeurons` that round each dimension of a state between -1 and 1.

    Half of a dimension's neurons fire above their thresholds, the others below the
    thresholds' negatives, so that a state of zero takes no spikes.

    Parameters
    ----------
    n_pairs : array_like of int of shape (size,)
        Pairs of neurons, one of either sign, for each dimension.
    largest : array_like of shape (size,)
        Largest magnitude that each dimension could ever have.
    kept : float
        Share of the current that is left after a step.
    dt : float
        Step in seconds.

    Returns
    -------
    encoders : ndarray of shape (n_neurons, size)
        With the gains: the current is ``encoders @ x + bias``.
    bias : ndarray of shape (n_neurons,)
        Biases.
    decoders : ndarray of shape (size, n_neurons)
        From spikes, whose height is ``1 / dt``, to the state.

    Examples
    --------
    >>> from lmu_nengo.targets.loihi.thresholds import graded_neurons
    >>> encoders, bias, decoders = graded_neurons([2], [1.0], kept=0.9, dt=0.001)
    >>> encoders.T.round(2), bias.round(2)
    (array([[ 8.  , -8.  ,  2.67, -2.67]]), array([-1., -1., -1., -1.]))
    >>> spikes = (encoders @ [0.4] + bias > 1) / 0.001
    >>> decoders @ spikes
    array([0.5])
    """
    n_pairs = np.asarray(n_pairs)
    axes = np.repeat(np.arange(len(n_pairs)), 2 * n_pairs)
    thresholds = np.concatenate([np.repeat((np.arange(n) + 0.5) / n, 2) for n in n_pairs])
    signs = np.tile([1.0, -1.0], n_pairs.sum())
    encoders = signs[:, None] * np.eye(len(n_pairs))[axes]
    gain, bias = gain_bias(thresholds, np.asarray(largest)[axes], kept)
    return encoders * gain[:, None], bias, dt * (encoders / n_pairs).T


def gain_bias(thresholds, largest, kept: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Gain and bias of `ThresholdNeurons`, for weights as fine as the chip has them.

    The higher the gain, the more of the chip's steps a weight has. A gain is limited by
    the largest bias, and by the current at which a compartment overflows.

    Parameters
    ----------
    thresholds : ndarray of shape (n_neurons,)
        Above 0.
    largest : ndarray of shape (n_neurons,)
        Largest magnitude that the neuron's dimension could ever have.
    kept : float
        Share of the current that is left after a step.

    Returns
    -------
    gain, bias : ndarray of shape (n_neurons,)
        The current is ``gain * x + bias``; biases are between -1 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.targets.loihi.thresholds import gain_bias
    >>> gain_bias(np.array([0.1, 0.5]), largest=np.ones(2), kept=0.9)
    (array([8., 4.]), array([ 0.2, -1. ]))
    """
    overflow = min(CURRENT_MAX, SPIKES_MAX / (1 - kept)) / SCALE / np.asarray(largest)
    gain = np.minimum(np.minimum(2 / thresholds, GAIN_MAX), overflow)
    return gain, 1 - gain * thresholds
