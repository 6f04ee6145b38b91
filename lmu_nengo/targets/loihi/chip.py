"""
What a Loihi core computes, and with which precision, as nengo-loihi programs it.

A compartment filters its input current with one lowpass, adds its bias, and integrates;
above the threshold it spikes, and what is above the threshold is lost. Weights are whole
multiples of a quantum, 2^-17 of the largest threshold at best.

Sources: Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning",
IEEE Micro 2018; the constants are those of nengo-loihi 1.1.0, ``builder/discretize.py``.
Frantar et al., "GPTQ", ICLR 2023 (rounding that makes up for itself).
"""

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.params import NumberParam

from lmu_nengo._validation import check_dt

DECAY = 2**12  # a decay is a whole number of 4096ths
THRESHOLD_MAX = (2**17 - 1) * 2**6
BIAS_MAX = (2**12 - 1) * 2**7
# of weights, at the largest exponent; at the next one it would be half, but nengo-loihi
# then gives weights of a single quantum twice their value (its exponents end at -6)
QUANTUM = 2**7
LEVELS = 127  # largest weight, in quanta
MARGIN = 1 - 1e-3  # for rounding in single precision
TURN = np.sqrt(2) - 1  # its multiples fill [0, 1) evenly, apart from those of populations
RIDGE = 0.01  # of the mean activity's energy, in rounding


class ChipNeurons(nengo.SpikingRectifiedLinear):
    """
    Integrate-and-fire neurons that lose what is above the threshold, as Loihi's do.

    nengo-loihi puts them on the chip as SpikingRectifiedLinear; core Nengo computes what
    the chip would. They start at zero.

    Parameters
    ----------
    amplitude : float
        Of a spike, times ``dt``.
    dt : float
        Time step in seconds, on which gains and rates depend.

    Raises
    ------
    ValidationError
        If a simulator has another time step.
    """

    state = {"voltage": nengo.dists.Choice([0])}  # noqa: RUF012  as Nengo wants it

    dt = NumberParam("dt", low=0, low_open=True)

    def __init__(self, amplitude=1, dt=0.001):
        super().__init__(amplitude=amplitude)
        self.dt = dt

    def gain_bias(self, max_rates, intercepts):
        """
        Return gain and bias of neurons with given tuning curves.

        Parameters
        ----------
        max_rates : ndarray of shape (n_neurons,)
            Rate at 1, in Hz, below ``0.5 / dt``.
        intercepts : ndarray of shape (n_neurons,)
            Where the rate becomes zero, below 1.

        Returns
        -------
        gain, bias : ndarray of shape (n_neurons,)
            The current is ``gain * x + bias``.

        Raises
        ------
        ValidationError
            If a rate or an intercept is out of range.
        """
        max_rates, intercepts = np.asarray(max_rates), np.asarray(intercepts)
        if not 0 < np.min(max_rates) <= np.max(max_rates) < 0.5 / self.dt:
            raise ValidationError(
                f"must be above 0 Hz and below {0.5 / self.dt:g} Hz on Loihi with "
                f"dt={self.dt:g} s, got {np.min(max_rates):g} to {np.max(max_rates):g} Hz.",
                attr="max_rates",
                obj=self,
            )
        if np.max(intercepts) >= 1:
            raise ValidationError(
                f"must be below 1, got {np.max(intercepts):g}.", attr="intercepts", obj=self
            )
        return gain_bias(max_rates, intercepts, self.dt)

    def rates(self, x, gain, bias):
        """
        Return mean firing rates, which are smoothed over the steps of a single neuron.

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
        return firing_rates(gain * x + bias, self.dt)

    def step(self, dt, J, output, voltage):
        """
        Advance by one step, in place.

        Parameters
        ----------
        dt : float
            Step in seconds.
        J, output, voltage : ndarray of shape (n_neurons,)
            Input current, spikes, voltage.
        """
        check_dt(dt, self)
        voltage += J * dt
        np.maximum(voltage, 0, out=voltage)
        spiked = voltage > 1
        output[:] = spiked * (self.amplitude / dt)
        voltage[spiked] = 0


def kept_current(tau: float, dt: float) -> float:
    """
    Share of a compartment's current that is left after a step.

    Parameters
    ----------
    tau : float
        Time constant of the lowpass in seconds.
    dt : float
        Step in seconds.

    Returns
    -------
    kept : float
        A whole number of 4096ths; ``exp(-dt / tau)`` but for that.
    """
    decay = np.float32(-np.expm1(-dt / tau)) * (DECAY - 1) - 1
    return float(DECAY - 1 - np.clip(np.round(decay), 0, DECAY - 1)) / DECAY


def kept_voltage(tau_rc: float, dt: float) -> float:
    """
    Share of a compartment's voltage that is left after a step.

    Parameters
    ----------
    tau_rc : float
        Time constant of the membrane in seconds.
    dt : float
        Step in seconds.

    Returns
    -------
    kept : float
        A whole number of 4096ths.
    """
    decay = np.float32(-np.expm1(-dt / tau_rc)) * (DECAY - 1)
    return float(DECAY - np.round(decay)) / DECAY


def firing_rates(J, dt: float) -> np.ndarray:
    """
    Mean rate of `ChipNeurons` in Hz.

    The time between two spikes is ``1 / J``, rounded up to whole steps: half a step more
    on average. Steps of the single neuron's curve are left out, as the noise of the others
    smooths them.

    Parameters
    ----------
    J : array_like
        Current, in Hz.
    dt : float
        Step in seconds.

    Returns
    -------
    rates : ndarray
        Zero where the current is not positive.
    """
    J = np.maximum(J, 0)
    return J / (1 + 0.5 * dt * J)


def gain_bias(max_rates, intercepts, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Gain and bias of `ChipNeurons` of given rates.

    Parameters
    ----------
    max_rates : array_like
        Rate at 1, in Hz, below ``2 / dt``.
    intercepts : array_like
        Where the rate becomes zero, below 1.
    dt : float
        Step in seconds.

    Returns
    -------
    gain, bias : ndarray
        The current is ``gain * x + bias``.
    """
    current = max_rates / (1 - 0.5 * dt * max_rates)
    gain = current / (1 - intercepts)
    return gain, -gain * intercepts


def weight_grid(
    largest: float, max_bias: float, kept: float, dt: float, kept_v=None
) -> tuple[float, float]:
    """
    Weights that nengo-loihi rounds to, as fine as the chip has them.

    nengo-loihi scales the weights of a core by the largest. A weight of at least that,
    which no spike goes through, therefore sets the scale: where the threshold or a bias is
    as large as the chip can hold.

    Parameters
    ----------
    largest : float
        Largest weight, without the factor ``1 / dt`` of a spike.
    max_bias : float
        Largest bias.
    kept : float
        Share of the current that is left after a step.
    dt : float
        Step in seconds.
    kept_v : float, optional
        Share of the voltage that is left after a step, for LIF neurons; None is for
        integrate-and-fire neurons.

    Returns
    -------
    reference : float
        The weight that sets the scale, at least ``largest``.
    quantum : float
        Weights are multiples of this.
    """
    threshold, leak = (1 / dt, 1.0) if kept_v is None else (1.0, 1 - kept_v)
    scale = THRESHOLD_MAX / threshold  # voltage on the chip for 1
    if max_bias > 0:
        scale = min(scale, BIAS_MAX / (max_bias * leak))
    # a spike's charge arrives over many steps, and leaks
    finest = QUANTUM / (scale * MARGIN * (1 - kept) * leak) * dt
    quantum = max(finest, largest / LEVELS)
    return (LEVELS + 0.5) * quantum, quantum


def round_weights(weights, activities, quantum: float) -> np.ndarray:
    """
    Round weights so that what they sum up stays what it was.

    One neuron after the other is rounded, and what its rounding changes is made up for by
    the neurons that are not yet rounded, for the given activities in the least-squares
    sense. So even weights of less than a quantum are kept, by some of the neurons.

    Parameters
    ----------
    weights : array_like of shape (n_post, n_pre)
        What is rounded.
    activities : array_like of shape (n_points, n_pre)
        Rates of the neurons.
    quantum : float
        Weights become multiples of this, at most 127.

    Returns
    -------
    rounded : ndarray of shape (n_post, n_pre)
        Multiples of the quantum.
    """
    weights = np.array(weights, dtype=np.float64)
    energy = activities.T @ activities
    energy += RIDGE * np.mean(np.diag(energy)) * np.eye(len(energy))
    # row j of this factor: how the neurons after j make up for an error of j
    factor = np.linalg.cholesky(np.linalg.inv(energy)).T
    for j in range(len(factor)):
        wanted = weights[:, j].copy()
        weights[:, j] = quantum * np.clip(np.round(wanted / quantum), -LEVELS, LEVELS)
        error = (wanted - weights[:, j]) / factor[j, j]
        weights[:, j + 1 :] -= np.outer(error, factor[j, j + 1 :])
    return weights


def share_out(weights, quantum: float, at_least: int = 1) -> np.ndarray:
    """
    Round weights of one value to many neurons, and share each out to several axons.

    Neurons in a row that want the same weight are rounded up and down in turn, so that the
    mean of any run of them is what it was.

    Parameters
    ----------
    weights : array_like of shape (n_post,)
        Weights of any magnitude.
    quantum : float
        What a weight is a multiple of.
    at_least : int
        Number of axons, if that is enough.

    Returns
    -------
    shared : ndarray of shape (n_post, n_axons)
        Multiples of the quantum, at most 127; a row sums to the weight, rounded.
    """
    weights = np.asarray(weights) / quantum
    turns = TURN * (np.arange(len(weights)) // 2) % 1  # the signs of encoders alternate
    counts = np.floor(np.abs(weights) + turns)
    n_axons = max(at_least, int(np.ceil(counts.max() / LEVELS)))
    each, rest = np.divmod(counts[:, None], n_axons)
    return quantum * np.sign(weights)[:, None] * (each + (np.arange(n_axons) < rest))
