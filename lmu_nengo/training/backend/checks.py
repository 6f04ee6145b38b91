"""What the simulator in NengoDL refuses, and why."""

import numpy as np
import tensorflow as tf
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import SimPyFunc, TimeUpdate
from nengo.builder.processes import SimProcess
from nengo.exceptions import ValidationError

from lmu_nengo.training._nengo_dl import SimTensorNode, neuron_state
from lmu_nengo.training.plan.checks import INTEGRATING


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
