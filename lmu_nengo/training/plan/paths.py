"""How a network is computed: step by step, or for whole sequences, and in which way."""

from dataclasses import dataclass, field

import nengo
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo.layers.lmu_cell import LMUCell
from lmu_nengo.memory.network import find_memories
from lmu_nengo.memory.realization import find_realizable
from lmu_nengo.processes.sequence import Sequence
from lmu_nengo.training.plan.checks import INTEGRATING, check_hidden_type, refuse_loop
from lmu_nengo.training.plan.settings import keeps_history


@dataclass
class Plan:
    """
    How a network is computed.

    Attributes
    ----------
    path : {"step by step", "all steps", "last step"}
        The way.
    reason : str
        Why it was chosen.
    n_steps : int or None
        Steps of the sequences; ``None`` if the network goes step by step.
    cells : dict of {LMUCell: dict of {NengoObject: str}}
        Cells that one operator computes, each with those of its objects that are read
        from outside, and the name of what they hold: ``"u"``, ``"m"`` or ``"h"``.
    nodes : dict of {Sequence: nengo.Node}
        Nodes that hold a `Sequence`.
    incoming : dict of {NengoObject: list of nengo.Connection}
        Connections that lead to each object.
    """

    path: str = "step by step"
    reason: str = "no memory is Windowed"
    n_steps: int | None = None
    cells: dict = field(default_factory=dict)
    nodes: dict = field(default_factory=dict)
    incoming: dict = field(default_factory=dict)


def make_plan(network) -> Plan:
    """
    Decide how a network is computed.

    Parameters
    ----------
    network : nengo.Network
        The network; it is not changed.

    Returns
    -------
    plan : Plan
        How, and why.

    Raises
    ------
    ValidationError
        If the network cannot be computed in one way, or something in it feeds back
        outside of a cell.
    """
    windowed = [part for part in find_realizable(network) if part.realization.is_windowed]
    if not windowed:
        return Plan()
    cells = {
        part: read_from_outside(part, network)
        for part in windowed
        if isinstance(part, LMUCell) and part.feedback
    }
    refuse_loop(network, cells)
    plan = Plan(n_steps=common_steps(windowed), cells=cells)
    for node in network.all_nodes:
        if isinstance(node.output, Sequence):
            plan.nodes[node.output] = node
    for conn in network.all_connections:
        plan.incoming.setdefault(conn.post_obj, []).append(conn)
    plan.path, plan.reason = choose_path(network, plan)
    return plan


def common_steps(windowed):
    """The number of steps of all Windowed networks, or ValidationError."""
    steps = {part.realization.n_steps for part in windowed}
    if len(steps) > 1:
        raise ValidationError(
            f"all Windowed memories of a network must be for the same number of steps, got "
            f"{sorted(steps)} steps. Give each Windowed(n_steps) the length of the "
            "sequences.",
            attr="n_steps",
            obj=windowed[0],
        )
    return steps.pop()


def choose_path(network, plan):
    """Choose between all steps and the last one; return path and reason."""
    for cell in plan.cells:
        check_hidden_type(cell)
    if plan.cells:
        cells = "; ".join(f"{cell.feedback} in {cell}" for cell in plan.cells)
        return "all steps", f"one operator iterates over the steps: {cells}"
    memories = find_memories(network)
    inside = {node for memory in memories for node in memory.nodes}
    for node in plan.nodes.values():
        if node not in inside:
            return "all steps", f"{node} needs whole sequences"
    for memory in memories:
        if memory.start is not None:
            return "all steps", f"{memory} is started from outside"
    for ensemble in network.all_ensembles:
        if type(ensemble.neuron_type) in INTEGRATING:
            return "all steps", f"{ensemble} integrates"
    for probe in network.all_probes:
        if keeps_history(network, probe):
            return "all steps", f"{probe} keeps its history"
    for memory in memories:
        obstacle = find_obstacle(memory.input, plan.incoming)
        if obstacle is not None:
            return "all steps", f"{obstacle} leads to {memory}"
    reason = "no probe keeps its history, and only linear connections lead to memories"
    return "last step", reason


def find_obstacle(node, incoming):
    """What keeps a memory's input from being a linear function of input nodes, if any."""
    if node.size_in == 0:
        return None
    if not isinstance(node, nengo.Node) or node.output is not None:
        return node
    for conn in incoming.get(node, []):
        plain = isinstance(
            conn.transform, (nengo.Dense, nengo.transforms.NoTransform)
        ) and isinstance(conn.pre_obj, nengo.Node)
        if not plain or conn.synapse or conn.function or conn.learning_rule:
            return conn
        obstacle = find_obstacle(conn.pre_obj, incoming)
        if obstacle is not None:
            return obstacle
    return None


def read_from_outside(cell, network):
    """
    Objects of a cell that connections or probes outside of it read.

    Parameters
    ----------
    cell : LMUCell
        A cell that one operator computes.
    network : nengo.Network
        The network that the cell is in.

    Returns
    -------
    read : dict of {NengoObject: str}
        The objects, and which of ``"u"``, ``"m"`` and ``"h"`` each holds.

    Raises
    ------
    ValidationError
        If something else inside of the cell is read, or gets an input.
    """
    hidden = cell.hidden.neurons if isinstance(cell.hidden, nengo.Ensemble) else cell.hidden
    held = {
        cell.u: "u",
        cell.memory.input: "u",
        cell.m: "m",
        cell.memory.output: "m",
        cell.h: "h",
        hidden: "h",
    }
    inside, connections = set(cell.all_objects), set(cell.all_connections)
    ends = {cell.input, cell.start, cell.output}
    read = {cell.h: "h"}

    def is_hidden(obj):
        return getattr(obj, "ensemble", obj) in inside and obj not in ends

    def refuse(obj, what):
        raise ValidationError(
            f"{obj} of {cell} {what} from outside, but one operator computes the cell, as "
            "it feeds back and is Windowed. Use its input, start, u, m, h and output, "
            "or realize(network, Linear()).",
            attr="network",
            obj=cell,
        )

    for conn in network.all_connections:
        if conn in connections:
            continue
        if is_hidden(conn.post_obj):
            refuse(conn.post_obj, "gets an input")
        if is_hidden(conn.pre_obj):
            if conn.pre_obj not in held:
                refuse(conn.pre_obj, "is read")
            read[conn.pre_obj] = held[conn.pre_obj]
    for probe in network.all_probes:
        target = probe.obj
        if is_hidden(target):
            if target not in held or probe.attr not in ("output", "spikes"):
                refuse(target, "is probed")
            read[target] = held[target]
    return read


def indices(conn, end):
    """Indices that a connection takes of its pre or post object."""
    size = conn.pre_obj.size_out if end == "pre" else conn.post_obj.size_in
    return np.arange(size)[getattr(conn, f"{end}_slice")]
