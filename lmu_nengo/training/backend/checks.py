"""What the simulator refuses, and why."""

import graphlib

import nengo
import numpy as np
import tensorflow as tf
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import SimPyFunc, TimeUpdate
from nengo.builder.processes import SimProcess
from nengo.exceptions import ValidationError

from lmu_nengo.training._nengo_dl import SimTensorNode, neuron_state
from lmu_nengo.training.backend.sequences import ACTIVATIONS
from lmu_nengo.training.backend.spikes import INTEGRATING


def check_hidden_type(cell):
    """Raise ValidationError if a cell's ``f`` cannot be computed in one operator."""
    is_neurons = isinstance(cell.hidden_type, nengo.neurons.NeuronType)
    if is_neurons and type(cell.hidden_type) not in ACTIVATIONS:
        names = ", ".join(kind.__name__ for kind in ACTIVATIONS)
        raise ValidationError(
            f"must be {names} or a TensorFlow function in a cell that feeds back and is "
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


def refuse_state(plan):
    """Raise ValidationError for the first operator that needs to go step by step."""
    for op in (op for operators in plan for op in operators):
        time = {SimPyFunc: "t", SimTensorNode: "time"}.get(type(op))
        if time and getattr(op, time) is not None:
            reason = "reads the time"
        elif has_state(op):
            reason = "has a state"
        else:
            continue
        raise ValidationError(
            f"{op} {reason}, but a network with Windowed memories is computed for all time "
            "steps at once. Use synapse=None, rate or integrate-and-fire neurons and "
            "Windowed memories for training, or call realize(network, Linear()) to go step "
            "by step.",
            attr="network",
        )


def has_state(op):
    """Whether an operator's output depends on earlier steps."""
    if isinstance(op, TimeUpdate):
        return False
    if isinstance(op, SimNeurons):
        state = neuron_state(op)
        return bool(state) and type(op.neurons) not in INTEGRATING
    return bool(op.updates) or isinstance(op, SimProcess)


def check_carried(operators):
    """Raise ValidationError if an operator cannot continue from an earlier call."""
    for op in operators:
        if op.process.state_d is None:
            raise ValidationError(
                f"must be False for {op.process}, which needs whole sequences and cannot "
                "continue from an earlier call. Leave out "
                "nengo_dl.configure_settings(stateful=True).",
                attr="stateful",
            )


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


def check_target(name, shape, n_steps, size, loss):
    """
    Raise ValidationError if a loss of Keras would broadcast targets.

    Other losses may take targets of any shape.

    Parameters
    ----------
    name : str
        Name of the probe.
    shape : tuple of int
        Shape of the targets.
    n_steps, size : int
        Steps and dimensions that the probe shows.
    loss : object
        The probe's loss, as for Keras.
    """
    if isinstance(loss, str):
        loss = tf.keras.losses.get(loss)
    kind = loss if hasattr(loss, "__name__") else type(loss)
    if kind.__module__.partition(".")[0] not in ("keras", "tf_keras"):
        return
    takes_classes = "sparse" in kind.__name__.lower()
    wanted = (n_steps, 1 if takes_classes else size)
    if tuple(shape[1:]) != wanted:
        what = "a class for each step shown" if takes_classes else "a value for each output"
        raise ValidationError(
            f"targets must have the shape ({shape[0]}, {wanted[0]}, {wanted[1]}), {what}, "
            f"for {kind.__name__}, got {tuple(shape)}. For one target at the end of a "
            "sequence, use nengo_dl.configure_settings(keep_history=False).",
            attr=name,
        )


def refuse_reversed(network):
    """Raise ValidationError for slices like ``[::-1]``, which NengoDL takes for ``[:]``."""
    ends = [(c, c.pre_obj.size_out, c.pre_slice) for c in network.all_connections]
    ends += [(c, c.post_obj.size_in, c.post_slice) for c in network.all_connections]
    ends += [(p, p.obj.size_out, p.slice) for p in network.all_probes]
    for part, size, taken in ends:
        if not isinstance(taken, slice) or size < 2:
            continue
        if np.array_equal(np.arange(size)[taken], np.arange(size)[::-1]):
            raise ValidationError(
                f"{part} takes a reversed slice, [::-1], which NengoDL reads as [:]. Use "
                f"a list of indices, [{size - 1}, ..., 0].",
                attr="network",
            )


def check_replicas(batch_size, n_replicas, seed, network):
    """Raise ValidationError if a batch cannot be shared among replicas."""
    if batch_size % n_replicas:
        raise ValidationError(
            f"must be a multiple of {n_replicas}, the number of replicas of the "
            f"tf.distribute strategy, got {batch_size}. It counts the sequences of all "
            "replicas together.",
            attr="minibatch_size",
        )
    if seed is None and network.seed is None:
        raise ValidationError(
            f"must be given with {n_replicas} replicas, so that all take the data in the "
            "same order, got None. Use Simulator(..., seed=...).",
            attr="seed",
        )
