"""What cannot be trained in a network or on some data, and why."""

import graphlib

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo._validation import show
from lmu_nengo._warnings import warn
from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.layers.lstm import LSTM
from lmu_nengo.memory.exact import Windowed
from lmu_nengo.memory.network import find_memories

TOO_LONG = 500  # times the data, from which on a window must be a mistake
# their voltage is a sum, so the spikes of all steps can be computed from all rates
INTEGRATING = (nengo.SpikingRectifiedLinear, nengo.RegularSpiking)
# rate neurons that a cell may feed back, where one operator computes it
FED_BACK = (nengo.RectifiedLinear, nengo.Sigmoid, nengo.Tanh, nengo.LIFRate)


def check_hidden_type(cell):
    """Raise ValidationError if a cell's ``f`` cannot be computed in one operator."""
    is_neurons = isinstance(cell.hidden_type, nengo.neurons.NeuronType)
    if is_neurons and type(cell.hidden_type) not in FED_BACK:
        names = ", ".join(kind.__name__ for kind in FED_BACK)
        raise ValidationError(
            f"must be {names} or a function of an array in a cell that feeds back and is "
            f"Windowed, got {cell.hidden_type!r}. Train with the rate type and call "
            "to_spiking afterwards, or realize(network, Linear()).",
            attr="hidden_type",
            obj=cell,
        )


def refuse_loop(network, cells):
    """Raise ValidationError if connections lead back to an object; a cell is one object."""
    of = {obj: cell for cell in cells for obj in cell.all_objects}
    inside = {conn for cell in cells for conn in cell.all_connections}
    after = {}
    for conn in network.all_connections:
        pre, post = (getattr(x, "ensemble", x) for x in (conn.pre_obj, conn.post_obj))
        is_state = pre is post and conn.synapse is not None  # refuse_state names it
        is_rule = isinstance(post, nengo.connection.LearningRule)
        if conn not in inside and not is_state and not is_rule:
            after.setdefault(of.get(post, post), set()).add(of.get(pre, pre))
    try:
        graphlib.TopologicalSorter(after).prepare()
    except graphlib.CycleError as error:
        loop = " -> ".join(map(str, error.args[1]))
        raise ValidationError(
            f"{loop} is a loop. In a network with Windowed memories only an LMUCell may "
            "feed back (hidden_encoders, memory_encoders, hidden_kernel). Use one, or call "
            "realize(network, Linear()) to go step by step.",
            attr="network",
        ) from None


def check_size(name, size, expected):
    """Raise ValidationError if an input node gets data of another size."""
    if size != expected:
        raise ValidationError(
            f"the data must have {expected} dimensions, as the node has, got {size}. The "
            "shape of arrays is (batch, steps, size).",
            attr=name,
        )


def check_numbers(name, x, dtype):
    """Raise ValidationError if data are not real, finite and within the precision."""
    if not hasattr(x, "dtype"):
        raise ValidationError(f"the data must be an array, got {show(x)}.", attr=name)
    kind = np.dtype(getattr(x.dtype, "as_numpy_dtype", x.dtype))
    if kind.kind not in "biuf":
        raise ValidationError(
            f"the data must be real numbers, got an array of type {kind}. Pass real and "
            "imaginary part as two dimensions.",
            attr=name,
        )
    if not isinstance(x, np.ndarray):
        return
    largest = np.finfo(dtype).max
    # comparisons with a NaN are false
    inside = np.abs(x) <= largest if kind.itemsize > 4 else np.isfinite(x)
    if not np.all(inside):
        first = tuple(int(i) for i in np.argwhere(~inside)[0])
        raise ValidationError(
            f"the data must be finite, of magnitudes up to {largest:.3g} in {dtype}, got "
            f"{x[first]} at {first} (sequence, step, dimension). Remove or replace such "
            "values before training.",
            attr=name,
        )


def warn_of_theta(network, n_steps):
    """Warn of windows that were counted in steps, but taken for seconds."""
    for memory in find_memories(network):
        if memory.theta >= TOO_LONG * n_steps * memory.dt:
            warn(
                f"theta of {memory} is {memory.theta:g} s, which are "
                f"{memory.theta / memory.dt:,.0f} steps, but the sequences have "
                f"{n_steps}. theta is in seconds: a window of {memory.theta:g} steps "
                f"is theta={memory.theta * memory.dt:g}."
            )


def warn_of_untrained(network):
    """Warn of LSTMs that are not Windowed, whose weights stay as they are."""
    found = [
        str(net)
        for net in [network, *network.all_networks]
        if isinstance(net, LSTM) and not isinstance(net.realization, Windowed)
    ]
    if found:
        warn(
            f"the weights of {', '.join(found)} stay as they are: an LSTM is trained in "
            "its Windowed realization only. Call realize(network, Windowed(n_steps)) "
            "before you make the Simulator or Trainer."
        )


def warn_of_zeros(network):
    """Warn of layers that do not stay as they are while they get zeros."""
    found = []
    for net in [network, *network.all_networks]:
        is_cell = isinstance(net, LMUCell) and (
            "hidden_encoders" in net.paths or "hidden_kernel" in net.paths
        )
        if is_cell or isinstance(net, LSTM):
            found.append(str(net))
    found += [str(ens) for ens in network.all_ensembles if ens.neuron_type.spiking]
    if found:
        warn(
            "the zeros before short sequences do not leave everything as it is: "
            f"{', '.join(found)} will be in another state when the sequence begins "
            "than at the start. Memories stay zero where nothing feeds back."
        )
