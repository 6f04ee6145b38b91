"""A network as Nengo's operators, with what is trained and what is computed for rows."""

import nengo
from nengo.builder import Model, Signal
from nengo.builder import builder as nengo_builder
from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import Reset
from nengo.exceptions import ValidationError
from nengo.utils.graphs import toposort
from nengo.utils.simulator import operator_dependency_graph

from lmu_nengo.engine.calls import called, describe
from lmu_nengo.training.plan.checks import INTEGRATING
from lmu_nengo.training.plan.operators import BUILD
from lmu_nengo.training.plan.paths import Plan
from lmu_nengo.training.plan.settings import find_trainable


class Builder(nengo_builder.Builder):
    """Nengo's own, but for what training computes in another way."""

    @classmethod
    def build(cls, model, obj, *args, **kwargs):
        """Build an object into a model."""
        for kind in type(obj).__mro__:
            if kind in BUILD:
                return BUILD[kind](model, obj, *args, **kwargs)
            if kind in cls.builders:
                break
        return super().build(model, obj, *args, **kwargs)


class Built:
    """
    A network that has been built.

    Parameters
    ----------
    network : nengo.Network
        The network.
    dt : float
        Simulation step in seconds.
    plan : Plan
        How it is computed.

    Attributes
    ----------
    model : nengo.builder.Model
        Nengo's model.
    order : list of Operator
        Its operators, each after those on which it depends.
    dependents : dict
        The operators that depend on each.
    trained : dict of {tuple of (object, str): Signal}
        What is trained: ``"weights"`` of connections, ``"encoders"`` of ensembles,
        ``"bias"`` of neurons, and the parameters of sequences and cells by their names.

    Raises
    ------
    ValidationError
        If something in the network cannot be trained in this way.
    """

    def __init__(self, network: nengo.Network, dt: float, plan: Plan):
        self.model = Model(dt=float(dt), label=str(network), builder=Builder())
        self.model.plan = plan
        self.model.build(network)
        self._leave_out_idle_encoders(network)
        operators = self.model.operators
        self.dependents = operator_dependency_graph(operators)
        self.order = [op for op in toposort(self.dependents) if hasattr(op, "make_step")]
        self.trained = self._find_trained(network, plan)
        if plan.n_steps is not None:
            refuse_state(self.order)
        if functions := called(self.order):
            raise ValidationError(
                f"cannot be trained through Python: {describe(functions)}. Mark functions "
                "made of jax.numpy operations alone with lmu_nengo.engine.jax_function, or "
                "use Nengo's own objects.",
                attr="network",
            )

    def _leave_out_idle_encoders(self, network):
        """Drop encoders that nothing is multiplied with: their product is zero."""
        operators = self.model.operators
        driven = {
            signal.base
            for op in operators
            for signal in (*op.sets, *op.incs, *op.updates)
            if not isinstance(op, Reset)
        }
        idle = {
            self.model.sig[ensemble]["encoders"]
            for ensemble in network.all_ensembles
            if self.model.sig[ensemble]["in"] not in driven
            and not isinstance(ensemble.neuron_type, nengo.Direct)
        }
        operators[:] = [op for op in operators if idle.isdisjoint(op.reads)]

    def _find_trained(self, network, plan) -> dict[tuple, Signal]:
        sig = self.model.sig
        read = {signal.base for op in self.order for signal in op.reads}
        found = {}

        def add(owner, name):
            signal = sig[owner].get(name)
            if signal is not None and signal.base in read and not signal.sparse:
                found[owner, name] = signal

        for obj, is_trained in find_trainable(network).items():
            if not is_trained:
                continue
            if isinstance(obj, nengo.Ensemble):
                if not isinstance(obj.neuron_type, nengo.Direct):
                    add(obj, "encoders")
            elif isinstance(obj, nengo.ensemble.Neurons):
                add(obj, "bias")
            elif obj.has_weights:
                if is_decoded(obj) and obj.solver.weights:
                    raise ValidationError(
                        f"{obj} has full weights, which cannot be trained. Use a solver "
                        "with weights=False, connect the neurons, or configure "
                        "trainable=False for it.",
                        attr="solver",
                        obj=obj,
                    )
                add(obj, "weights")
        for owner in (*plan.nodes, *plan.cells):
            for name, signal in sig[owner].items():
                if getattr(signal, "trainable", False):
                    add(owner, name)
        return found


def is_decoded(conn) -> bool:
    """Whether the weights of a connection are decoders."""
    pre = conn.pre_obj
    return isinstance(pre, nengo.Ensemble) and not isinstance(pre.neuron_type, nengo.Direct)


def refuse_state(order):
    """Raise ValidationError for the first operator that needs to go step by step."""
    for op in order:
        has_state = bool(op.updates)
        if isinstance(op, SimNeurons):
            has_state = bool(op.state) and type(op.neurons) not in INTEGRATING
        if has_state:
            raise ValidationError(
                f"{op} has a state, but a network with Windowed memories is computed for "
                "all time steps at once. Use synapse=None, rate or integrate-and-fire "
                "neurons and Windowed memories for training, or call "
                "realize(network, Linear()) to go step by step.",
                attr="network",
            )
