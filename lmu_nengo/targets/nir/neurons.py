"""The neurons of NIR simulators as Nengo neuron types: fixed steps, reset to zero.

The membrane of a ``CubaLIF`` node in steps of ``dt`` is

    ``v[t] = v[t-1] + dt / tau_mem (J[t] - v[t-1])``;  a spike and ``v[t] = 0`` if above 1,

without a refractory period and without what is left over at a spike. In a constant current
``J`` it fires every ``n`` steps, the first ``n`` with ``J (1 - decay^n) > 1``, where
``decay = 1 - dt / tau_mem``. Rates are a staircase, and decoders must be solved for it.
"""

from typing import ClassVar

import numpy as np
from nengo.dists import Choice
from nengo.exceptions import ValidationError
from nengo.neurons import NeuronType
from nengo.params import NdarrayParam, NumberParam


def steps_between_spikes(J, decay) -> np.ndarray:
    """
    Steps from one spike to the next in a constant current.

    Parameters
    ----------
    J : array_like
        Current; the threshold is 1.
    decay : float
        Share of the membrane's voltage that is left after a step, in (0, 1).

    Returns
    -------
    steps : ndarray
        Whole numbers from 1 on; infinite where the neuron never fires.
    """
    J = np.asarray(J, dtype=np.float64)
    steps = np.full(J.shape, np.inf)
    fires = J > 1
    steps[fires] = np.floor(np.log1p(-1 / J[fires]) / np.log(decay)) + 1
    return steps


class StepLIF(NeuronType):
    """
    Leaky integrate-and-fire in fixed steps: the membrane of NIR's CubaLIF.

    Parameters
    ----------
    tau_rc : float
        Membrane time constant in seconds, longer than ``dt``.
    dt : float
        Step in seconds that the simulator must have.
    amplitude : float
        Height of a spike, over ``1 / dt``.
    initial_state : dict, optional
        Distribution of the first ``"voltage"``, zero by default, as on all targets.
    """

    state: ClassVar = {"voltage": Choice([0.0])}
    spiking = True
    negative = False
    tau_rc = NumberParam("tau_rc", low=0, low_open=True)
    dt = NumberParam("dt", low=0, low_open=True)
    amplitude = NumberParam("amplitude", low=0, low_open=True)

    def __init__(self, tau_rc=0.02, dt=0.001, amplitude=1, initial_state=None):
        super().__init__(initial_state)
        self.tau_rc, self.dt, self.amplitude = tau_rc, dt, amplitude
        if tau_rc <= dt:
            raise ValidationError(
                f"got {tau_rc:g} s, expected more than a step, dt={dt:g} s.",
                attr="tau_rc",
                obj=self,
            )

    @property
    def decay(self):
        """Share of the voltage that is left after a step."""
        return 1 - self.dt / self.tau_rc

    def gain_bias(self, max_rates, intercepts):
        """Gains and biases; a rate is met in the middle of its stair."""
        max_rates = np.array(max_rates, dtype=float, ndmin=1)
        intercepts = np.array(intercepts, dtype=float, ndmin=1)
        if np.any(max_rates > 0.5 / self.dt):
            raise ValidationError(
                f"got {max_rates.max():g} Hz, expected at most {0.5 / self.dt:g} Hz, every "
                "other step.",
                attr="max_rates",
                obj=self,
            )
        steps = 1 / (max_rates * self.dt) - 0.5
        highest = 1 / (1 - self.decay**steps)
        gain = (highest - 1) / (1 - intercepts)
        return gain, 1 - gain * intercepts

    def max_rates_intercepts(self, gain, bias):
        """Inverse of `gain_bias`."""
        intercepts = (1 - bias) / gain
        highest = np.maximum(gain + bias, 1 + 1e-12)
        steps = np.log1p(-1 / highest) / np.log(self.decay)
        return 1 / (self.dt * (steps + 0.5)), intercepts

    def step(self, dt, J, output, voltage):
        """One step."""
        if not np.isclose(dt, self.dt, rtol=1e-9, atol=0):
            raise ValidationError(
                f"got a simulator with steps of {dt:g} s, expected {self.dt:g} s. Decoders "
                "were solved for that step.",
                attr="dt",
                obj=self,
            )
        voltage += (1 - self.decay) * (J - voltage)
        spiked = voltage > 1
        output[...] = spiked * (self.amplitude / dt)
        voltage[spiked] = 0

    def rates(self, x, gain, bias):
        """Rates in a constant input ``x``, of shape (n_points,) or (n_points, n)."""
        J = self.current(x, gain, bias)
        return self.amplitude / (self.dt * steps_between_spikes(J, self.decay))


class CubaLIF(NeuronType):
    """
    NIR's ``CubaLIF`` as it is, synapse and membrane: what an imported file holds.

    In each step of ``dt``, where ``s`` is the input,

        ``I = I + dt / tau_syn (w_in s - I)``,
        ``v = v + dt / tau_mem (v_leak - v + r I)``,

    a spike and ``v = v_reset`` if ``v > v_threshold``.

    Parameters
    ----------
    tau_syn, tau_mem, r, v_leak, v_threshold, v_reset, w_in : array_like of shape (n,)
        As in the file, one for each neuron or one for all.
    amplitude : float
        Height of a spike, over ``1 / dt``; ``dt`` makes spikes of 1, as in NIR.
    initial_state : dict, optional
        Distributions of the first ``"current"`` and ``"voltage"``, zero by default.

    References
    ----------
    Pedersen et al., "Neuromorphic intermediate representation", Nature Communications
    2024; the equations are those of ``nir.CubaLIF``, in explicit Euler steps.
    """

    state: ClassVar = {"current": Choice([0.0]), "voltage": Choice([0.0])}
    spiking = True
    negative = False
    tau_syn = NdarrayParam("tau_syn", shape=("*",))
    tau_mem = NdarrayParam("tau_mem", shape=("*",))
    r = NdarrayParam("r", shape=("*",))
    v_leak = NdarrayParam("v_leak", shape=("*",))
    v_threshold = NdarrayParam("v_threshold", shape=("*",))
    v_reset = NdarrayParam("v_reset", shape=("*",))
    w_in = NdarrayParam("w_in", shape=("*",))
    amplitude = NumberParam("amplitude", low=0, low_open=True)

    def __init__(
        self,
        tau_syn,
        tau_mem,
        r,
        v_leak,
        v_threshold,
        v_reset,
        w_in,
        amplitude=1,
        initial_state=None,
    ):
        super().__init__(initial_state)
        values = tau_syn, tau_mem, r, v_leak, v_threshold, v_reset, w_in
        for name, value in zip(CUBA_LIF, values, strict=True):
            setattr(self, name, np.atleast_1d(np.asarray(value, dtype=np.float64)))
        self.amplitude = amplitude

    def gain_bias(self, max_rates, intercepts):
        """Not offered: the input of an imported neuron is the file's."""
        raise NotImplementedError("CubaLIF takes gain and bias as arrays.")

    def max_rates_intercepts(self, gain, bias):
        """Unknown, as nothing needs them."""
        return np.full(len(gain), np.nan), np.full(len(gain), np.nan)

    def step(self, dt, J, output, current, voltage):
        """One step."""
        spiked = cuba_lif_step(
            J, current, voltage, dt, *(getattr(self, name) for name in CUBA_LIF)
        )
        output[...] = spiked * (self.amplitude / dt)


CUBA_LIF = ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in")


def cuba_lif_step(
    s,
    current,
    voltage,
    dt,
    tau_syn,
    tau_mem,
    r,
    v_leak,
    v_threshold,
    v_reset,
    w_in,
    follow=None,
) -> np.ndarray:
    """
    One step of NIR's ``CubaLIF``, in place.

    Parameters
    ----------
    s : ndarray of shape (..., n)
        Input.
    current, voltage : ndarray of shape (..., n)
        State; it is overwritten.
    dt : float
        Step in seconds.
    tau_syn, tau_mem, r, v_leak, v_threshold, v_reset, w_in : ndarray of shape (n,)
        Parameters, as in the file.
    follow : ndarray of bool of shape (..., n), optional
        Who is reset, if not those who fire.

    Returns
    -------
    spiked : ndarray of bool of shape (..., n)
        Who fires.
    """
    current += dt / tau_syn * (w_in * s - current)
    voltage += dt / tau_mem * (v_leak - voltage + r * current)
    spiked = voltage > v_threshold
    voltage[...] = np.where(spiked if follow is None else follow, v_reset, voltage)
    return spiked
