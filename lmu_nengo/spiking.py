"""From a trained rate network to a spiking one."""

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo.memory import find_memories
from lmu_nengo.validation import check_positive


def to_spiking(network, scale=1.0):
    """
    Swap every rate ensemble for its spiking counterpart, in place.

    Ensembles inside memories are left alone. A rectified linear neuron's rate can be
    scaled without changing what it computes: gain and bias are multiplied by ``scale``
    and the amplitude of a spike is divided by it. More spikes make the output less
    noisy and cost more energy.

    Parameters
    ----------
    network : nengo.Network
        Network with its trained parameters frozen into it
        (``sim.freeze_params(network)``).
    scale : float
        Factor for the firing rates, above 0; other than 1 only for rectified linear
        neurons.

    Raises
    ------
    ValidationError
        If an ensemble's neuron type has no spiking counterpart or cannot be scaled, or
        gain and bias are not arrays yet. Nothing is changed then.
    """
    scale = check_positive(scale, "scale", unit="spikes per spike")
    inside = {ens for memory in find_memories(network) for ens in memory.all_ensembles}
    ensembles = [ens for ens in network.all_ensembles if ens not in inside]
    neuron_types = [spiking_type(ens, scale) for ens in ensembles]
    for ens, neuron_type in zip(ensembles, neuron_types, strict=True):
        ens.neuron_type = neuron_type
        ens.gain = ens.gain * scale
        ens.bias = ens.bias * scale


def spiking_type(ensemble, scale):
    """Spiking counterpart of an ensemble's neuron type, or ValidationError."""
    rate_type = ensemble.neuron_type
    if not all(isinstance(x, np.ndarray) for x in (ensemble.gain, ensemble.bias)):
        raise ValidationError(
            "gain and bias must be arrays. Freeze the trained parameters first: "
            "sim.freeze_params(network).",
            attr="gain",
            obj=ensemble,
        )
    if type(rate_type) is nengo.RectifiedLinear:
        return nengo.SpikingRectifiedLinear(amplitude=rate_type.amplitude / scale)
    if type(rate_type) is nengo.LIFRate and scale == 1:
        return nengo.LIF(rate_type.tau_rc, rate_type.tau_ref, amplitude=rate_type.amplitude)
    raise ValidationError(
        f"got {rate_type!r} with scale={scale:g}, expected RectifiedLinear with any "
        "scale or LIFRate with scale=1. Set another neuron_type by hand.",
        attr="neuron_type",
        obj=ensemble,
    )
