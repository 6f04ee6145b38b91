"""Operators of whole sequences, dropout and noise, and how they get into a model."""

import numpy as np
from nengo.builder import Operator, Signal
from nengo.builder.network import build_network
from nengo.builder.processes import build_process

from lmu_nengo.layers.lmu_cell import STATE_SPACE, LMUCell
from lmu_nengo.processes.regularization import Dropout, GaussianNoise
from lmu_nengo.processes.sequence import Sequence
from lmu_nengo.processes.tensor_function import TensorFunction
from lmu_nengo.training.plan.cells import CellSteps
from lmu_nengo.training.plan.paths import Plan

LOG_THETA = "log_theta"  # the parameter that is trained


class SimNode(Operator):
    """
    Sets signals from others by what ``process`` describes.

    Parameters
    ----------
    process : nengo.Process or CellSteps
        What is computed.
    inputs, outputs : list of nengo.builder.Signal
        What it reads and sets.
    """

    def __init__(self, process, inputs, outputs):
        super().__init__(tag=type(process).__name__)
        self.process = process
        self.inputs = inputs
        self.sets = outputs
        self.incs = []
        self.reads = [*inputs]
        self.updates = []

    outputs = property(lambda self: self.sets)


class SimSequence(SimNode):
    """
    A `Sequence` or a cell that feeds back, for whole sequences.

    Parameters
    ----------
    process : Sequence or CellSteps
        What is computed.
    inputs, outputs : list of nengo.builder.Signal
        What it reads and sets.
    parameters : dict of {str: nengo.builder.Signal or ndarray}
        A signal for what is trained.
    n_steps : int
        Steps in each sequence.
    """

    def __init__(self, process, inputs, outputs, parameters, n_steps):
        super().__init__(process, inputs, outputs)
        self.parameters = parameters
        self.n_steps = n_steps
        self.reads += [x for x in parameters.values() if isinstance(x, Signal)]


class SimLastStep(SimNode):
    """
    A windowed memory of which only the last step is wanted.

    Parameters
    ----------
    process : WindowResponse
        What is computed.
    inputs, outputs : list of nengo.builder.Signal
        What it sets; the inputs are not read.
    plan : Plan
        Knows what leads to the memory.

    Attributes
    ----------
    graph : WindowedGraph or None
        Has the input nodes' sequences in NengoDL; it sets itself.
    """

    graph = None

    def __init__(self, process, inputs, outputs, plan):
        super().__init__(process, inputs, outputs)
        self.plan = plan


class SimTensorFunction(SimNode):
    """A `TensorFunction`."""


class SimRandom(SimNode):
    """
    Random in training only.

    Attributes
    ----------
    graph : Graph or None
        Gives random keys in NengoDL; it sets itself. ``None`` elsewhere.
    place : int
        Place among the model's operators.
    """

    graph = None
    place = None
    step = property(lambda self: self.reads[1])


class SimDropout(SimRandom):
    """Dropout."""


class SimNoise(SimRandom):
    """Gaussian noise."""


def plan_of(model) -> Plan:
    """How a model's network is computed: step by step unless a simulator has a plan."""
    return getattr(model, "plan", Plan())


def build_sequence(model, process, sig_in, sig_out, mode):
    """Add the operator of a process for whole sequences to a model."""
    plan = plan_of(model)
    if plan.n_steps is None:
        build_process(model, process, sig_in, sig_out, mode=mode)
    elif plan.path == "last step":
        model.add_op(SimLastStep(process, [sig_in], [sig_out], plan))
    else:
        parameters = dict(process.parameters)
        for name in sorted(process.trainable):
            parameters[name] = add_parameter(model, process, name, parameters[name])
        inputs = [] if sig_in is None else [sig_in]
        op = SimSequence(process, inputs, [sig_out], parameters, plan.n_steps)
        model.add_op(op)


def build_cell(model, cell, progress=None):
    """
    Add a cell to a model; in one operator if it feeds back and is Windowed.

    All parts of the cell are built in either case, so that the model knows the signals
    of its parameters. The operators are left out where the one replaces them.
    """
    first = len(model.operators)
    build_network(model, cell, progress)
    plan = plan_of(model)
    if cell not in plan.cells:
        return

    def signal(obj):
        return model.sig[obj]["out"]

    ends = [cell.input, cell.output] + ([] if cell.start is None else [cell.start])
    kept = {signal(end) for end in ends}
    model.operators[first:] = [
        op
        for op in model.operators[first:]
        if kept.issuperset([*op.sets, *op.incs, *op.updates])
    ]
    parameters = cell.weights
    for name in sorted(cell.trainable):
        if name == "theta":  # stays positive
            log_theta = np.log(parameters.pop(name))
            parameters[LOG_THETA] = add_parameter(model, cell, LOG_THETA, log_theta)
        elif name in STATE_SPACE:
            parameters[name] = add_parameter(model, cell, name, parameters[name])
        elif name in cell.paths:
            parameters[name] = model.sig[cell.paths[name]]["weights"]
        else:
            parameters[name] = model.sig[cell.hidden.neurons]["bias"]
    inputs = [signal(end) for end in ends if end is not cell.output]
    read = plan.cells[cell]
    process = CellSteps.of(cell, tuple(read.values()))
    outputs = [signal(obj) for obj in read]
    model.add_op(SimSequence(process, inputs, outputs, parameters, plan.n_steps))


def add_parameter(model, owner, name, value):
    """A signal that is trained."""
    signal = Signal(value, name=name)
    signal.trainable, signal.minibatched = True, False
    model.sig[owner][name] = signal
    return signal


def build_tensor_function(model, process, sig_in, sig_out, mode):
    """Add the operator of a function of tensors to a model."""
    model.add_op(SimTensorFunction(process, [sig_in], [sig_out]))


def build_random(model, process, sig_in, sig_out, mode):
    """Add the operator of a node for dropout or noise to a model."""
    kind = SimDropout if isinstance(process, Dropout) else SimNoise
    op = kind(process, [sig_in], [sig_out])
    op.reads.append(model.step)
    model.add_op(op)


# what a builder of models has to do by these instead of Nengo's own functions
BUILD = {
    Sequence: build_sequence,
    LMUCell: build_cell,
    TensorFunction: build_tensor_function,
    Dropout: build_random,
    GaussianNoise: build_random,
}
