"""From a trained rate network to a spiking one."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.synapses import SynapseParam

from lmu_nengo._validation import check_positive
from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.memory.exact import Windowed
from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.realization import realize


def to_spiking(network, scale=1.0, synapse=None, memories=None):
    """
    Swap every rate ensemble for its spiking counterpart, in place.

    ============================  ==============================  =======================
    rate neurons                  spiking neurons                 how rates are scaled
    ============================  ==============================  =======================
    RectifiedLinear               SpikingRectifiedLinear          gain and bias x scale
    LIFRate                       LIF                             time constants / scale
    Sigmoid, Tanh                 RegularSpiking(Sigmoid, Tanh)   ``tau_ref`` / scale
    ============================  ==============================  =======================

    The amplitude of a spike is divided by ``scale``, so that the mean output stays the
    same: more spikes make it less noisy and cost more energy. A neuron with a negative
    rate (Tanh) gives negative spikes. Ensembles inside memories are left alone, and so are
    neurons that spike already.

    Parameters
    ----------
    network : nengo.Network
        Network with its trained parameters frozen into it
        (``sim.freeze_params(network)``).
    scale : float or dict of {nengo.Ensemble: float}
        Factor for the firing rates, above 0; ensembles that a dictionary leaves out keep
        theirs. See `scale_for`.
    synapse : float or nengo.synapses.Synapse or dict, optional
        Put on all connections that leave the converted neurons and have none; or, as a
        dictionary {nengo.Connection: synapse}, on some of those that leave them.
    memories : Linear or Spiking, optional
        Realization given to every memory; ``None`` leaves them as they are.

    Raises
    ------
    ValidationError
        If an ensemble's neuron type has no spiking counterpart, gain and bias are not
        arrays yet, LIF neurons would fire more than once a step, or an argument does not
        fit. Nothing is changed then.
    """
    ensembles = rate_ensembles(network)
    scales = dict.fromkeys(ensembles, 1.0 if isinstance(scale, dict) else scale)
    scales.update(check_keys(scale, ensembles, "scale", "rate ensembles of the network"))
    dt = min((memory.dt for memory in find_memories(network)), default=0.001)
    changes = {ens: spiking_type(ens, scales[ens], dt) for ens in ensembles}
    synapses = new_synapses(network, ensembles, synapse)
    if memories is not None:
        realize(network, memories)
    for ens, (neuron_type, factor) in changes.items():
        ens.neuron_type = neuron_type
        ens.gain = ens.gain * factor
        ens.bias = ens.bias * factor
    for conn, value in synapses.items():
        conn.synapse = value
    for cell in find_cells(network):
        if cell.hidden in changes:
            cell.hidden_type = cell.hidden.neuron_type
            if isinstance(cell.realization, Windowed):  # which may hold the type as well
                cell.realize(cell.realization)


def scale_for(rates, target, quantile=0.99) -> float:
    """
    Scale of the firing rates that makes the high ones as high as wanted.

    Parameters
    ----------
    rates : array_like
        Firing rates in Hz of an ensemble's neurons in a run of the rate network, of any
        shape: a probe's values divided by the neurons' amplitude.
    target : float
        Rate in Hz that the quantile shall have.
    quantile : float
        In (0, 1]; 1 is the highest rate of all, which may be a rare one.

    Returns
    -------
    scale : float
        For `to_spiking`.

    Raises
    ------
    ValidationError
        If an argument is out of range, or the quantile of the rates is 0.
    """
    target = check_positive(target, "target", unit="Hz")
    if check_positive(quantile, "quantile", unit="share") > 1:
        raise ValidationError(f"got {quantile}, expected at most 1.", attr="quantile")
    high = np.quantile(np.abs(rates), quantile)
    if not high > 0:
        raise ValidationError(
            f"the rates' {quantile:g} quantile is {high:g}, expected a number above 0. "
            "Take a higher quantile, or other inputs for the run.",
            attr="rates",
        )
    return float(target / high)


def find_cells(network):
    """All `LMUCell` in ``network``, itself included."""
    return [net for net in (network, *network.all_networks) if isinstance(net, LMUCell)]


def rate_ensembles(network):
    """Rate ensembles outside memories, those that a windowed cell hides included."""
    inside = {ens for memory in find_memories(network) for ens in memory.all_ensembles}
    hidden = [cell.hidden for cell in find_cells(network)]
    for cell, what in zip(find_cells(network), hidden, strict=True):
        if not isinstance(what, nengo.Ensemble):
            raise ValidationError(
                f"the cell's function is {cell.hidden_type!r}, expected a Nengo neuron "
                "type: only neurons can spike. Build and train the cell with "
                "hidden_type=nengo.RectifiedLinear(), say.",
                attr="hidden_type",
                obj=cell,
            )
    found = dict.fromkeys([*network.all_ensembles, *hidden])
    return [ens for ens in found if ens not in inside and not ens.neuron_type.spiking]


def spiking_type(ensemble, scale, dt):
    """Spiking counterpart of a neuron type, and the factor for gain and bias."""
    scale = check_positive(scale, "scale", unit="spikes per spike", obj=ensemble)
    kind = ensemble.neuron_type
    if not all(isinstance(x, np.ndarray) for x in (ensemble.gain, ensemble.bias)):
        raise ValidationError(
            "gain and bias must be arrays. Freeze the trained parameters first: "
            "sim.freeze_params(network).",
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
                f"got {scale:g}, expected at most tau_ref / dt = {kind.tau_ref / dt:g}: "
                "LIF neurons fire once a step at most. Take a smaller scale, or "
                "RectifiedLinear neurons.",
                attr="scale",
                obj=ensemble,
            )
        return nengo.LIF(*taus, amplitude=kind.amplitude / scale), 1.0
    raise ValidationError(
        f"got {kind!r}, expected RectifiedLinear, LIFRate, Sigmoid or Tanh. Set another "
        "neuron_type by hand, nengo.RegularSpiking(rate_type) say, which gives whatever "
        "rates in spikes.",
        attr="neuron_type",
        obj=ensemble,
    )


def new_synapses(network, ensembles, synapse):
    """Synapse for each connection that is to get one."""
    sources = {*ensembles, *(ens.neurons for ens in ensembles)}
    connections = [*network.all_connections, *(c.activity for c in find_cells(network))]
    leaving = [conn for conn in connections if conn.pre_obj in sources]
    if isinstance(synapse, dict):
        what = "connections that leave the rate neurons"
        new = check_keys(synapse, leaving, "synapse", what)
    else:
        new = {conn: synapse for conn in leaving if conn.synapse is None}
    param = SynapseParam("synapse", default=None)
    return {conn: param.coerce(conn, value) for conn, value in new.items()}


def check_keys(values, allowed, attr, what):
    """Return a dictionary whose keys are all allowed; an empty one for anything else."""
    if not isinstance(values, dict):
        return {}
    for key in values:
        if key not in allowed:
            raise ValidationError(
                f"got {key!r}, expected some of the {what}: {allowed}.", attr=attr
            )
    return values
