"""Spiking memories made for the data that they will get."""

from collections.abc import Mapping
from dataclasses import replace

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._nengo import copy_network
from lmu_nengo.conversion.sequences import check_inputs, record
from lmu_nengo.memory.exact import Linear
from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.realization import realize
from lmu_nengo.nef.input_model import Recording, kept_sequences


def calibrate(network: nengo.Network, inputs: Mapping) -> None:
    """
    Set the expected input of every memory in a network from data, in place.

    A copy of the network is run on the data with exact memories, and what arrives at each
    memory is recorded. `Spiking` then chooses coordinates and ranges for this. Memories
    that are spiking already are realized again.

    Parameters
    ----------
    network : nengo.Network
        The network, for example one that was trained, with its parameters frozen into it
        (``sim.freeze_params(network)``). Its memories may be in any realization.
    inputs : dict of {nengo.Node: array_like of shape (n_sequences, n_steps, size)}
        What the input nodes give: training data, or others like those to come. Of long
        data, sequences that are spread evenly are used.

    Raises
    ------
    ValidationError
        If the network holds no memory, the inputs do not fit the network or each other, or
        a memory gets nothing but zeros.

    See Also
    --------
    lmu_nengo.Spiking : ``expected_input`` describes the input of one memory by hand.

    Examples
    --------
    >>> import nengo
    >>> import numpy as np
    >>> import lmu_nengo
    >>> with nengo.Network(seed=0) as network:
    ...     u = nengo.Node([0])
    ...     memory = lmu_nengo.LegendreMemory(theta=0.1, order=6)
    ...     scaled = nengo.Connection(u, memory.input, transform=0.01, synapse=None)
    >>> t = 0.001 * np.arange(1000)
    >>> lmu_nengo.calibrate(network, {u: np.sin(2 * np.pi * 5 * t)[None, :, None]})
    >>> memory.expected_input
    Recording of 1 sequence of 1000 steps, size 1
    >>> lmu_nengo.realize(network, lmu_nengo.Spiking(n_neurons=600))
    """
    n_sequences, n_steps = check_inputs(network, inputs)
    memories = find_memories(network)
    if not memories:
        raise ValidationError(
            f"{network} contains no LegendreMemory to calibrate.", attr="network"
        )
    used = kept_sequences(n_sequences, n_steps)
    copy, objects = copy_network(network)
    realize(copy, Linear())
    inputs = {objects[node]: np.asarray(x)[used] for node, x in inputs.items()}
    with copy:
        probes = [nengo.Probe(objects[memory].input, synapse=None) for memory in memories]
    recorded = record(copy, inputs, probes, memories[0].dt)
    for memory, data in zip(memories, recorded, strict=True):
        if not np.any(data):
            raise ValidationError(
                f"give {memory} nothing but zeros. Pass data for the input nodes that "
                "lead to it.",
                attr="inputs",
            )
    for memory, data in zip(memories, recorded, strict=True):
        memory.expected_input = Recording(data)
        if memory.realization.is_spiking:
            memory.realize(replace(memory.realization, expected_input=None))
