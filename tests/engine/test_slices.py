"""Connections between parts of objects, chosen by any index that Nengo takes."""

import nengo
import numpy as np
import pytest

pytest.importorskip("jax")

from lmu_nengo import engine


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize(
    "pre, post",
    [
        (slice(1, None, -1), [2, 0]),
        ([0, 2], slice(0, 2)),
        ([2, 0], np.array([0, 2])),
        ([1, 1], [0, 0]),
        ([True, False, True], [False, True, True]),
        (1, 2),
    ],
)
def test_agrees_with_core(pre, post, optimize):
    with nengo.Network(seed=0) as network:
        stimulus = nengo.Node([0.5, -0.25, 0.75])
        a, b = nengo.Ensemble(60, 3), nengo.Ensemble(60, 3)
        nengo.Connection(stimulus, a)
        nengo.Connection(a[pre], b[post])
        nengo.Connection(stimulus[pre], b[post], synapse=None)
        nengo.Connection(a.neurons[[3, 1, 2]], b.neurons[np.array([0, 5, 5])], synapse=0)
        probe = nengo.Probe(b, "input")
        spikes = nengo.Probe(b.neurons[[1, 5, 7]])
    run = {}
    for simulator, options in (
        (nengo.Simulator, {}),
        (engine.Simulator, {"precision": "float64"}),
    ):
        with simulator(network, optimize=optimize, progress_bar=False, **options) as sim:
            sim.run_steps(50)
        run[simulator] = sim.data[probe], sim.data[spikes]
    for ours, core in zip(run[engine.Simulator], run[nengo.Simulator], strict=True):
        assert np.any(core)
        np.testing.assert_allclose(ours, core, rtol=0, atol=1e-10)
