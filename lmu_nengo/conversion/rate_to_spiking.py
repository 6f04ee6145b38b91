"""From a trained rate network to a spiking one."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.synapses import SynapseParam
from numpy.typing import ArrayLike

from lmu_nengo._validation import (
    check_array,
    check_integer,
    check_network,
    check_positive,
)
from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.realization import Realization, find_realizable, realize
from lmu_nengo.nef.input_model import Recording, kept_sequences


def to_spiking(
    network: nengo.Network,
    scale: float | dict = 1.0,
    synapse: float | nengo.synapses.Synapse | dict | None = None,
    memories: Realization | None = None,
    hold: int = 1,
) -> None:
    """
    Replace the neurons of every rate ensemble by their spiking counterpart, in place.

    ============================  ==============================  =======================
    rate neurons                  spiking neurons                 how rates are scaled
    ============================  ==============================  =======================
    RectifiedLinear               SpikingRectifiedLinear          gain and bias x scale
    LIFRate                       LIF                             time constants / scale
    Sigmoid, Tanh                 RegularSpiking(Sigmoid, Tanh)   ``tau_ref`` / scale
    ============================  ==============================  =======================

    The amplitude of a spike is divided by ``scale``, so that the mean output stays the
    same: more spikes make the output less noisy and cost more energy. A neuron with a
    negative rate (Tanh) gives negative spikes. Ensembles inside memories, and neurons that
    spike already, stay as they are.

    Parameters
    ----------
    network : nengo.Network
        Network with its trained parameters frozen into it
        (``sim.freeze_params(network)``).
    scale : float or dict of {nengo.Ensemble: float}
        Factor for the firing rates, above 0. With a dictionary, all other ensembles keep
        their rates. See `scale_for`.
    synapse : float or nengo.synapses.Synapse or dict, optional
        Synapse for all connections from the converted neurons that have none; or a
        dictionary {nengo.Connection: synapse} for some of the connections from them.
    memories : Linear or Spiking, optional
        Realization for every memory; ``None`` leaves them as they are.
    hold : int
        Steps for which each value of the input will be shown, so that neurons have time to
        spike: the windows of all memories, and the data that `lmu_nengo.calibrate`
        recorded, are stretched with it. Show ``np.repeat(x, hold, axis=1)``, and read the
        mean output over the last steps of a value. At the last one, an exact memory has
        the state that it had before. An ``expected_input`` of ``memories`` describes the
        input as it is shown.

    Raises
    ------
    ValidationError
        If the type of an ensemble's neurons has no spiking counterpart, gain and bias are
        not arrays yet, LIF neurons would have to fire more than once per step, or an
        argument does not fit. Nothing is changed then.

    See Also
    --------
    spiking_report : what the spiking network costs and achieves.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> from lmu_nengo import to_spiking
    >>> with nengo.Network() as network:
    ...     kind = nengo.RectifiedLinear()
    ...     layer = nengo.Ensemble(
    ...         5, 1, neuron_type=kind, gain=np.ones(5), bias=np.zeros(5)
    ...     )
    >>> to_spiking(network, scale=100)
    >>> layer.neuron_type
    SpikingRectifiedLinear(amplitude=0.01)
    >>> layer.gain
    array([100., 100., 100., 100., 100.])
    """
    ensembles = _rate_ensembles(network)
    scales = dict.fromkeys(ensembles, 1.0 if isinstance(scale, dict) else scale)
    scales.update(_check_keys(scale, ensembles, "scale", "a rate ensemble of the network"))
    dt = min((memory.dt for memory in find_memories(network)), default=0.001)
    changes = {ens: _spiking_type(ens, scales[ens], dt) for ens in ensembles}
    synapses = _new_synapses(network, ensembles, synapse)
    hold = check_integer(hold, "hold")
    if hold > 1:
        _stretch_and_realize(network, memories, hold)
    elif memories is not None:
        realize(network, memories)
    for ens, (neuron_type, factor) in changes.items():
        ens.neuron_type = neuron_type
        ens.gain = ens.gain * factor
        ens.bias = ens.bias * factor
    for conn, value in synapses.items():
        conn.synapse = value
    for cell in _find_cells(network):
        cell.hidden_type = cell.hidden.neuron_type


def scale_for(rates: ArrayLike, target: float, quantile: float = 0.99) -> float:
    """
    Compute the scale of firing rates that brings the high ones to a target.

    Parameters
    ----------
    rates : array_like
        Firing rates in Hz of an ensemble's neurons in a run of the rate network, of any
        shape: a probe's values divided by the neurons' amplitude.
    target : float
        Wanted rate in Hz at the quantile.
    quantile : float
        In (0, 1]; 1 means the highest rate of all, which may be a rare one.

    Returns
    -------
    scale : float
        For `to_spiking`.

    Raises
    ------
    ValidationError
        If an argument is out of range, or the quantile of the rates is 0.

    Examples
    --------
    >>> from lmu_nengo.conversion import scale_for
    >>> scale_for([0.1, 0.5, 2.0], target=100, quantile=1)
    50.0
    """
    target = check_positive(target, "target", unit="Hz")
    if check_positive(quantile, "quantile", unit="") > 1:
        raise ValidationError(f"must be at most 1, got {quantile}.", attr="quantile")
    rates = check_array(rates, "rates", (...,))
    high = np.quantile(np.abs(rates), quantile)
    if not high > 0:
        raise ValidationError(
            f"their {quantile:g} quantile must be positive, got {high:g} Hz. Use a higher "
            "quantile, or run the rate network on other inputs.",
            attr="rates",
        )
    return float(target / high)


def _stretch_and_realize(network, realization, hold):
    """Make all windows longer, and realize the memories; change nothing if it fails."""
    memories = find_memories(network)
    if not memories:
        raise ValidationError(
            f"must be 1 for {network}, which contains no LegendreMemory, got {hold}.",
            attr="hold",
        )
    for cell in _find_cells(network):
        if cell.feedback:
            raise ValidationError(
                f"must be 1, because in {cell} {cell.feedback}: what arrives one step "
                f"later would no longer arrive one value later; got {hold}.",
                attr="hold",
            )
    before = [(memory.theta, memory.expected_input) for memory in memories]
    for memory in memories:
        memory.set_state_space(hold * memory.theta, *memory.matrices)
        if memory.expected_input is not None:
            data = memory.expected_input.data
            data = data[kept_sequences(len(data), hold * data.shape[1])]
            memory.expected_input = Recording(np.repeat(data, hold, axis=1))
    try:
        parts = [part for part in find_realizable(network) if find_memories(part)]
        insides = [
            part._make(realization or part.realization.step_by_step()) for part in parts
        ]
    except Exception:
        for memory, (theta, expected_input) in zip(memories, before, strict=True):
            memory.set_state_space(theta, *memory.matrices)
            memory.expected_input = expected_input
        raise
    for part, inside in zip(parts, insides, strict=True):
        part._swap(realization or part.realization.step_by_step(), inside)


def _find_cells(network):
    """All `LMUCell` in ``network``, itself included."""
    check_network(network)
    return [net for net in (network, *network.all_networks) if isinstance(net, LMUCell)]


def _rate_ensembles(network):
    """Rate ensembles outside memories."""
    for cell in _find_cells(network):
        if not isinstance(cell.hidden, nengo.Ensemble):
            raise ValidationError(
                f"only neurons can spike, but the cell's hidden_type is the function "
                f"{cell.hidden_type!r}. Build and train the cell with a Nengo neuron type "
                "such as hidden_type=nengo.RectifiedLinear().",
                attr="hidden_type",
                obj=cell,
            )
    inside = {ens for memory in find_memories(network) for ens in memory.all_ensembles}
    return [
        ens
        for ens in network.all_ensembles
        if ens not in inside and not ens.neuron_type.spiking
    ]


def _spiking_type(ensemble, scale, dt):
    """Spiking counterpart of a neuron type, and the factor for gain and bias."""
    scale = check_positive(scale, "scale", unit="", obj=ensemble)
    kind = ensemble.neuron_type
    if not all(isinstance(x, np.ndarray) for x in (ensemble.gain, ensemble.bias)):
        raise ValidationError(
            "gain and bias must be arrays. Freeze the trained parameters into the network "
            "first: sim.freeze_params(network).",
            attr="gain",
            obj=ensemble,
        )
    if type(kind) is nengo.RectifiedLinear:
        return nengo.SpikingRectifiedLinear(amplitude=kind.amplitude / scale), scale
    if type(kind) in (nengo.Sigmoid, nengo.Tanh):
        faster = type(kind)(tau_ref=kind.tau_ref / scale)
        return nengo.RegularSpiking(faster, amplitude=1 / scale), 1.0
    if type(kind) is nengo.LIFRate:
        taus = kind.tau_rc / scale, kind.tau_ref / scale
        if taus[1] < dt * (1 - 1e-9):
            raise ValidationError(
                f"must be at most tau_ref / dt = {kind.tau_ref / dt:g}, because LIF "
                f"neurons fire at most once per step, got {scale:g}. Use a smaller scale, "
                "or RectifiedLinear neurons.",
                attr="scale",
                obj=ensemble,
            )
        return nengo.LIF(*taus, amplitude=kind.amplitude / scale), 1.0
    raise ValidationError(
        f"must be RectifiedLinear, LIFRate, Sigmoid or Tanh, got {kind!r}. Choose the "
        "spiking type for other neurons yourself: nengo.RegularSpiking(rate_type), for "
        "instance, turns the rates of any type into spikes.",
        attr="neuron_type",
        obj=ensemble,
    )


def _new_synapses(network, ensembles, synapse):
    """Synapse of each connection that is to get one."""
    sources = {*ensembles, *(ens.neurons for ens in ensembles)}
    leaving = [conn for conn in network.all_connections if conn.pre_obj in sources]
    if isinstance(synapse, dict):
        new = _check_keys(synapse, leaving, "synapse", "a connection from the rate neurons")
    else:
        new = {conn: synapse for conn in leaving if conn.synapse is None}
    param = SynapseParam("synapse", default=None)
    return {conn: param.coerce(conn, value) for conn, value in new.items()}


def _check_keys(values, allowed, attr, what):
    """Return a dictionary whose keys are all allowed; an empty one for anything else."""
    if not isinstance(values, dict):
        return {}
    for key in values:
        if key not in allowed:
            names = ", ".join(map(str, allowed)) or "none"
            raise ValidationError(
                f"each key must be {what} (here: {names}), got {key!r}.", attr=attr
            )
    return values
