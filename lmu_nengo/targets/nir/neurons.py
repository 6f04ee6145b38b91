"""The neurons of NIR simulators as Nengo neuron types.

The membrane of a ``CubaLIF`` node in steps of ``dt`` is

    ``v[t] = v[t-1] + dt / tau_mem (J[t] - v[t-1])``;  a spike and ``v[t] = 0`` if above 1,

without a refractory period, and what exceeds the threshold is lost. In a constant current
``J`` it fires every ``n`` steps, where ``n`` is the smallest number with
``J (1 - decay^n) > 1`` and ``decay = 1 - dt / tau_mem``. Hence rates are a staircase, and
decoders must be solved for it.
"""

from typing import ClassVar

import numpy as np
from nengo.dists import Choice
from nengo.exceptions import ValidationError
from nengo.neurons import NeuronType
from nengo.params import NdarrayParam, NumberParam
from numpy.typing import ArrayLike

from lmu_nengo._validation import check_array, check_positive


def steps_between_spikes(J: ArrayLike, decay: float) -> np.ndarray:
    """
    Count the steps from one spike to the next in a constant current.

    Parameters
    ----------
    J : array_like
        Current; the threshold is 1.
    decay : float
        Share of the membrane's voltage that is left after a step, in (0, 1).

    Returns
    -------
    steps : ndarray
        Whole numbers of at least 1; infinite where the neuron never fires.
    """
    J = np.asarray(J, dtype=np.float64)
    steps = np.full(J.shape, np.inf)
    fires = J > 1
    steps[fires] = np.floor(np.log1p(-1 / J[fires]) / np.log(decay)) + 1
    return steps


class StepLIF(NeuronType):
    """
    Leaky integrate-and-fire neurons in fixed steps: the membrane of NIR's CubaLIF.

    Parameters
    ----------
    tau_rc : float
        Membrane time constant in seconds, longer than ``dt``.
    dt : float
        Step in seconds that the simulator must have.
    amplitude : float
        Height of a spike, over ``1 / dt``.
    initial_state : dict, optional
        Distribution of the initial ``"voltage"``, zero by default, as on all targets.

    Raises
    ------
    ValidationError
        If ``tau_rc`` is not longer than ``dt``.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.targets.nir import StepLIF
    >>> with nengo.Network(seed=0) as network:
    ...     ensemble = nengo.Ensemble(50, 1, neuron_type=StepLIF(tau_rc=0.02))
    >>> StepLIF(tau_rc=0.02).rates([0.0, 1.0, 2.0], gain=[1.0], bias=[1.0])
    array([[  0.        ],
           [ 71.42857143],
           [125.        ]])
    """

    state: ClassVar = {"voltage": Choice([0.0])}
    spiking = True
    negative = False
    follows_rates = True  # decoders are solved for the rates
    tau_rc = NumberParam("tau_rc", low=0, low_open=True)
    dt = NumberParam("dt", low=0, low_open=True)
    amplitude = NumberParam("amplitude", low=0, low_open=True)

    def __init__(
        self,
        tau_rc: float = 0.02,
        dt: float = 0.001,
        amplitude: float = 1,
        initial_state: dict | None = None,
    ):
        tau_rc = check_positive(tau_rc, "tau_rc", obj=type(self))
        dt = check_positive(dt, "dt", obj=type(self))
        amplitude = check_positive(amplitude, "amplitude", unit="", obj=type(self))
        super().__init__(initial_state)
        self.tau_rc, self.dt, self.amplitude = tau_rc, dt, amplitude
        if tau_rc <= dt:
            raise ValidationError(
                f"must be longer than a step, dt = {dt:g} s, got {tau_rc:g} s.",
                attr="tau_rc",
                obj=self,
            )

    @property
    def decay(self):
        """Share of the voltage that is left after a step."""
        return 1 - self.dt / self.tau_rc

    def gain_bias(self, max_rates, intercepts):
        """Gains and biases; a rate is in the middle of its step of the staircase."""
        max_rates = np.array(max_rates, dtype=float, ndmin=1)
        intercepts = np.array(intercepts, dtype=float, ndmin=1)
        if np.any(max_rates > 0.5 / self.dt):
            raise ValidationError(
                f"must be at most {0.5 / self.dt:g} Hz, a spike in every other step, got "
                f"{max_rates.max():g} Hz.",
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
                f"the simulator's time step is dt={dt:g} s, but decoders were solved for "
                f"dt={self.dt:g} s. Use the same dt for both.",
                attr="dt",
                obj=self,
            )
        voltage += (1 - self.decay) * (J - voltage)
        spiked = voltage > 1
        output[...] = spiked * (self.amplitude / dt)
        voltage[spiked] = 0

    def rates(self, x, gain, bias):
        """Rates for a constant input ``x`` of shape (n_points,) or (n_points, n)."""
        J = self.current(x, gain, bias)
        return self.amplitude / (self.dt * steps_between_spikes(J, self.decay))


class CubaLIF(NeuronType):
    """
    NIR's ``CubaLIF`` with synapse and membrane, the neurons of an imported graph.

    In each step of ``dt``, where ``s`` is the input,

        ``I = I + dt / tau_syn (w_in s - I)``,
        ``v = v + dt / tau_mem (v_leak - v + r I)``,

    a spike and ``v = v_reset`` if ``v > v_threshold``.

    Parameters
    ----------
    tau_syn, tau_mem, r, v_leak, v_threshold, v_reset, w_in : array_like of shape (n,)
        Parameters as in the graph, one for each neuron or one for all.
    amplitude : float
        Height of a spike, over ``1 / dt``. With ``dt``, a spike is 1, as in NIR.
    initial_state : dict, optional
        Distributions of the initial ``"current"`` and ``"voltage"``, zero by default.

    References
    ----------
    Pedersen et al., "Neuromorphic intermediate representation", Nature Communications
    2024; the equations are those of ``nir.CubaLIF``, in explicit Euler steps.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo.targets.nir import CubaLIF
    >>> kind = CubaLIF([0.005], [0.02], [20.0], [0.0], [1.0], [0.0], [5.0])
    >>> with nengo.Network() as network:
    ...     neuron = nengo.Ensemble(1, 1, neuron_type=kind, gain=[1.0], bias=[0.02])
    ...     spikes = nengo.Probe(neuron.neurons)
    >>> with nengo.Simulator(network, progress_bar=False) as sim:
    ...     sim.run(0.1)
    >>> int(np.count_nonzero(sim.data[spikes]))
    6
    """

    state: ClassVar = {"current": Choice([0.0]), "voltage": Choice([0.0])}
    spiking = True
    negative = False
    follows_rates = True  # decoders are solved for the rates
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
        tau_syn: ArrayLike,
        tau_mem: ArrayLike,
        r: ArrayLike,
        v_leak: ArrayLike,
        v_threshold: ArrayLike,
        v_reset: ArrayLike,
        w_in: ArrayLike,
        amplitude: float = 1,
        initial_state: dict | None = None,
    ):
        amplitude = check_positive(amplitude, "amplitude", unit="", obj=type(self))
        for name in CUBA_LIF:
            check_array(locals()[name], name, (...,), obj=type(self))
        super().__init__(initial_state)
        values = tau_syn, tau_mem, r, v_leak, v_threshold, v_reset, w_in
        for name, value in zip(CUBA_LIF, values, strict=True):
            setattr(self, name, np.atleast_1d(np.asarray(value, dtype=np.float64)))
        self.amplitude = amplitude

    def gain_bias(self, max_rates, intercepts):
        """Refuse: the graph determines the input of an imported neuron."""
        raise NotImplementedError(
            "CubaLIF has no tuning curves: give the ensemble gain and bias as arrays."
        )

    def max_rates_intercepts(self, gain, bias):
        """Unknown, and needed nowhere."""
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
        Parameters as in the graph.
    follow : ndarray of bool of shape (..., n), optional
        Neurons that are reset, if not those that fire.

    Returns
    -------
    spiked : ndarray of bool of shape (..., n)
        Neurons that fire.
    """
    current += dt / tau_syn * (w_in * s - current)
    voltage += dt / tau_mem * (v_leak - voltage + r * current)
    spiked = voltage > v_threshold
    voltage[...] = np.where(spiked if follow is None else follow, v_reset, voltage)
    return spiked
