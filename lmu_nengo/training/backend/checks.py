"""What a simulator refuses, and why."""

import graphlib

import nengo
import numpy as np
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import SimPyFunc, TimeUpdate
from nengo.builder.processes import SimProcess
from nengo.exceptions import ValidationError

from lmu_nengo.memory.exact import WindowResponse
from lmu_nengo.processes.sequence import Sequence
from lmu_nengo.training._nengo_dl import nengo_dl
from lmu_nengo.training.backend.spikes import INTEGRATING


def find_sequences(network):
    """Nodes that hold a `Sequence`."""
    return [
        node
        for node in network.all_nodes
        if isinstance(node.output, Sequence) and not isinstance(node.output, WindowResponse)
    ]


def find_obstacle(node, incoming):
    """What keeps a memory's input from being a linear function of input nodes, if any."""
    if node.size_in == 0:
        return None
    if not isinstance(node, nengo.Node) or node.output is not None:
        return node
    for conn in incoming[node]:
        plain = isinstance(
            conn.transform, (nengo.Dense, nengo.transforms.NoTransform)
        ) and isinstance(conn.pre_obj, nengo.Node)
        if not plain or conn.synapse or conn.function or conn.learning_rule:
            return conn
        obstacle = find_obstacle(conn.pre_obj, incoming)
        if obstacle is not None:
            return obstacle
    return None


def refuse_loop(network):
    """Raise ValidationError if connections lead from an object back to it."""
    after = {}
    for conn in network.all_connections:
        pre, post = (getattr(x, "ensemble", x) for x in (conn.pre_obj, conn.post_obj))
        is_state = pre is post and conn.synapse is not None  # told by refuse_state
        if not (is_state or isinstance(post, nengo.connection.LearningRule)):
            after.setdefault(post, set()).add(pre)
    try:
        graphlib.TopologicalSorter(after).prepare()
    except graphlib.CycleError as error:
        loop = " -> ".join(map(str, error.args[1]))
        raise ValidationError(
            f"{loop} is a loop. Beside Windowed memories nothing may feed back, except "
            "within an LMUCell (hidden_encoders, memory_encoders, hidden_kernel). Use "
            "one, or realize(network, Linear()) to go step by step.",
            attr="network",
        ) from None


def refuse_state(plan):
    """Raise ValidationError for the first operator that needs to go step by step."""
    for op in (op for operators in plan for op in operators):
        time = {SimPyFunc: "t", nengo_dl.tensor_node.SimTensorNode: "time"}.get(type(op))
        if time and getattr(op, time) is not None:
            reason = "reads the time"
        elif has_state(op):
            reason = "has a state"
        else:
            continue
        raise ValidationError(
            f"{op} {reason}, so it cannot run for all time steps at once beside a "
            "Windowed memory. Use synapse=None, rate or integrate-and-fire neurons and "
            "Windowed memories for training, or realize(network, Linear()) to go step by "
            "step.",
            attr="network",
        )


def has_state(op):
    """Whether an operator's output depends on earlier steps."""
    if isinstance(op, TimeUpdate):
        return False
    if isinstance(op, SimNeurons):
        state = nengo_dl.compat.neuron_state(op)
        return bool(state) and type(op.neurons) not in INTEGRATING
    return bool(op.updates) or isinstance(op, SimProcess)


def check_carried(operators):
    """Return operators whose state can go on in a next call, or raise ValidationError."""
    for op in operators:
        if op.state_d is None:
            raise ValidationError(
                f"{op.process} needs whole sequences and cannot go on from an earlier "
                "call. Leave out nengo_dl.configure_settings(stateful=True).",
                attr="stateful",
            )
    return operators


def check_size(name, size, expected):
    """Raise ValidationError if an input node gets data of another size."""
    if size != expected:
        raise ValidationError(
            f"got {size} dimensions, expected {expected}, the size of the node. The "
            "shape of data is (batch, steps, size).",
            attr=name,
        )


def check_finite(name, x):
    """Raise ValidationError if an array holds NaN or infinity."""
    if isinstance(x, np.ndarray) and not np.all(np.isfinite(x)):
        first = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValidationError(
            f"got {x[first]} at {first} (sequence, step, dimension), expected finite "
            "numbers. Clean the data before training.",
            attr=name,
        )


def check_replicas(batch_size, n_replicas, seed, network):
    """Raise ValidationError if a batch cannot be shared among replicas."""
    if batch_size % n_replicas:
        raise ValidationError(
            f"got {batch_size}, expected a multiple of {n_replicas}, the replicas of the "
            "tf.distribute strategy. minibatch_size counts the sequences of all replicas.",
            attr="minibatch_size",
        )
    if seed is None and network.seed is None:
        raise ValidationError(
            f"got None, expected a number, the same in each of {n_replicas} replicas, so "
            "that all take the data in the same order. Give Simulator(seed=...).",
            attr="seed",
        )
