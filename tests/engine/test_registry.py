"""Operators that the engine knows, and those that users add."""

import nengo
import numpy as np
import pytest
from nengo.builder import Operator
from nengo.exceptions import BuildError

from lmu_nengo import engine


class Doubled(Operator):
    """``y = 2 x``."""

    def __init__(self, x, y):
        super().__init__()
        self.sets, self.incs, self.reads, self.updates = [y], [], [x], []

    def make_step(self, signals, dt, rng):
        x, y = signals[self.reads[0]], signals[self.sets[0]]

        def step():
            y[...] = 2 * x

        return step


def make_model(operator):
    """A node, whose input an operator makes."""
    with nengo.Network(seed=0) as network:
        source, node = nengo.Node(lambda t: [t, -t]), nengo.Node(size_in=2)
        probe = nengo.Probe(node)
    model = nengo.builder.Model()
    model.build(network)
    signal = model.sig[node]["in"]
    (reset,) = (op for op in model.operators if signal in op.sets)
    model.operators.remove(reset)
    model.add_op(operator(model.sig[source]["out"], signal))
    return model, probe


def test_an_unknown_operator_is_refused_by_name():
    model, _ = make_model(Doubled)
    with pytest.raises(BuildError, match="no function is registered for Doubled"):
        engine.Simulator(None, model=model, progress_bar=False)


def test_an_operator_of_the_user_is_run():
    class Known(Doubled):
        """Registered: what it inherits from is not."""

    @engine.register(Known)
    def known(op, builder):
        def step(values):
            values.set(op.sets[0], 2 * values.read(op.reads[0]))

        return step

    results = []
    for simulator in nengo.Simulator, engine.Simulator:
        model, probe = make_model(Known)
        with simulator(None, model=model, progress_bar=False) as sim:
            sim.run_steps(10)
            results.append(np.array(sim.data[probe]))
    assert np.allclose(*results, rtol=1e-6)
    assert np.allclose(results[0][:, 0], 2 * sim.trange(), rtol=1e-6)
