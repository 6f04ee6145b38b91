"""What the simulator in NengoDL refuses, and why."""

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
