import itertools

import nengo
import numpy as np
import pytest

import lmu_nengo
from lmu_nengo import Linear, LMUCell, Windowed
from lmu_nengo.training import Simulator, nengo_dl

tf = pytest.importorskip("tensorflow")

INPUT, CHANNELS, ORDER, HIDDEN, STEPS, BATCH = 3, 2, 4, 5, 12, 3
THETA = 0.01
SHAPES = {
    "input_encoders": (CHANNELS, INPUT),
    "hidden_encoders": (CHANNELS, HIDDEN),
    "memory_encoders": (CHANNELS, CHANNELS * ORDER),
    "input_kernel": (HIDDEN, INPUT),
    "hidden_kernel": (HIDDEN, HIDDEN),
    "memory_kernel": (HIDDEN, CHANNELS * ORDER),
    "bias": (HIDDEN,),
}
X = np.random.RandomState(0).randn(BATCH, STEPS, INPUT)


def random_weights(names=SHAPES):
    """Weights of the paths named, and None for the others."""
    rng = np.random.RandomState(1)
    drawn = {name: 0.4 * rng.randn(*shape) for name, shape in SHAPES.items()}
    return {name: drawn[name] if name in names else None for name in SHAPES}


def formula(weights, x, activation=np.tanh, theta=THETA):
    """The paper's equations 5 to 7 written out, for x (batch, steps, size)."""
    w = {k: np.zeros(SHAPES[k]) if v is None else v for k, v in weights.items()}
    Ad, Bd = lmu_nengo.discretize(*lmu_nengo.state_space(ORDER, theta), 0.001)
    u_all, m_all, h_all = [], [], []
    for sequence in x:
        m, h = np.zeros((CHANNELS, ORDER)), np.zeros(HIDDEN)
        for x_t in sequence:
            u = w["input_encoders"] @ x_t + w["hidden_encoders"] @ h
            u = u + w["memory_encoders"] @ m.ravel()
            m = m @ Ad.T + u[:, None] * Bd[:, 0]
            j = w["input_kernel"] @ x_t + w["hidden_kernel"] @ h
            h = activation(j + w["memory_kernel"] @ m.ravel() + w["bias"])
            u_all.append(u)
            m_all.append(m.ravel())
            h_all.append(h)
    return [np.reshape(a, (*x.shape[:2], -1)) for a in (u_all, m_all, h_all)]


def network_of(weights, **kwargs):
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(trainable=None)
        source = nengo.Node(np.zeros(INPUT), label="source")
        cell = LMUCell(INPUT, CHANNELS, ORDER, THETA, HIDDEN, **{**weights, **kwargs})
        nengo.Connection(source, cell.input, synapse=None)
        probes = [nengo.Probe(node) for node in (cell.u, cell.m, cell.output)]
    return network, source, cell, probes


def run_in_core(network, source, probes, x):
    """Values of the probes in core Nengo, of shape (batch, steps, size)."""
    results = []
    for sequence in x:
        source.output = nengo.processes.PresentInput(sequence, 0.001)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(len(sequence))
        results.append([sim.data[probe] for probe in probes])
    source.output = np.zeros(INPUT)
    return [np.array(values) for values in zip(*results, strict=True)]


def run_in_nengo_dl(network, probes, x):
    with Simulator(network, minibatch_size=len(x), progress_bar=False) as sim:
        values = sim.predict(x.astype(np.float32))
    return [values[probe] for probe in probes]


COMBINATIONS = [names for n in range(8) for names in itertools.combinations(SHAPES, n)]


@pytest.fixture(scope="module")
def all_cells():
    """One network with a cell for each combination of paths."""
    probes = []
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(  # merging thousands of operators takes minutes
            planner=nengo_dl.graph_optimizer.noop_planner,
            sorter=nengo_dl.graph_optimizer.noop_order_signals,
            simplifications=[],
        )
        source = nengo.Node(np.zeros(INPUT), label="source")
        for names in COMBINATIONS:
            weights = random_weights(names)
            cell = LMUCell(INPUT, CHANNELS, ORDER, THETA, HIDDEN, **weights)
            nengo.Connection(source, cell.input, synapse=None)
            probes += [nengo.Probe(node) for node in (cell.u, cell.m, cell.output)]
    expected = [v for names in COMBINATIONS for v in formula(random_weights(names), X)]
    return network, source, probes, expected


@pytest.mark.parametrize("way", ["core Nengo", "NengoDL", "NengoDL, all steps"])
def test_the_cell_computes_the_formula_for_every_combination_of_paths(all_cells, way):
    network, source, probes, expected = all_cells
    lmu_nengo.realize(network, Windowed(STEPS) if "all steps" in way else Linear())
    if way == "core Nengo":
        got = run_in_core(network, source, probes, X)
    else:
        got = run_in_nengo_dl(network, probes, X)
    assert len(got) == 3 * 2**7
    atol = 1e-10 if way == "core Nengo" else 1e-5
    for value, right in zip(got, expected, strict=True):
        assert value.shape == right.shape
        assert np.abs(value - right).max() < atol
