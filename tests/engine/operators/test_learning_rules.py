import nengo
import numpy as np
import pytest

from lmu_nengo import engine


def slow(*values):
    """Cases that differ little from others."""
    return pytest.param(*values, marks=pytest.mark.slow)


def connect_error(pre, post, connection):
    """Give a supervised rule the difference between post and pre."""
    error = nengo.Node(size_in=1)
    nengo.Connection(post, error)
    nengo.Connection(pre, error, transform=-1)
    nengo.Connection(error, connection.learning_rule)
    return connection


def supervised(rule):
    def make(pre, post):
        connection = nengo.Connection(
            pre, post, function=np.zeros_like, learning_rule_type=rule
        )
        return connect_error(pre, post, connection)

    return make


def between_neurons(pre, post):
    connection = nengo.Connection(
        pre.neurons,
        post.neurons,
        transform=np.zeros((post.n_neurons, pre.n_neurons)),
        learning_rule_type=nengo.PES(1e-5),
    )
    return connect_error(pre, post, connection)


def of_some_neurons(pre, post):
    connection = nengo.Connection(
        pre.neurons[::2], post, transform=np.zeros((1, 20)), learning_rule_type=nengo.PES()
    )
    return connect_error(pre, post, connection)


def unsupervised(rule):
    def make(pre, post):
        solver = nengo.solvers.LstsqL2(weights=True)
        return nengo.Connection(pre, post, solver=solver, learning_rule_type=rule)

    return make


def encoders(pre, post):
    rule = nengo.Voja(learning_rate=1e-3, post_synapse=None)
    connection = nengo.Connection(pre, post, learning_rule_type=rule)
    switch = nengo.Node(nengo.processes.Piecewise({0: 1, 0.2: 0, 0.3: 0.5}))
    nengo.Connection(switch, connection.learning_rule, synapse=None)
    return connection


RULES = {
    "PES": supervised(nengo.PES()),
    "PES between neurons": between_neurons,
    "PES of a slice": of_some_neurons,
    "RLS": supervised(nengo.RLS(1e-3, pre_synapse=0.005)),
    "BCM": unsupervised(nengo.BCM(1e-9)),
    "Oja": unsupervised(nengo.Oja(1e-6)),
    "Voja": encoders,
    "two rules": unsupervised([nengo.BCM(1e-9), nengo.Oja(1e-6)]),
}


@pytest.mark.parametrize("way", ["optimized", slow("batch_not_optimized")])
@pytest.mark.parametrize("name", RULES)
def test_agrees_with_core(run_both, name, way):
    with nengo.Network(seed=1) as network:
        stimulus = nengo.Node(lambda t: np.sin(4 * np.pi * t))
        pre, post = nengo.Ensemble(40, 1), nengo.Ensemble(30, 1)
        nengo.Connection(stimulus, pre)
        connection = RULES[name](pre, post)
        learned = nengo.Probe(
            *((post, "scaled_encoders") if name == "Voja" else (connection, "weights"))
        )
        nengo.Probe(post, synapse=0.01)
        rules = connection.learning_rule
        for rule in rules if isinstance(rules, list) else [rules]:
            for attribute in rule.probeable:
                nengo.Probe(rule, attribute)
    both = run_both(network, 400, way)
    first, last = both.core[learned][[0, -1]]
    assert np.abs(last - first).max() > 1e-5 * np.abs(last).max()
    for probe in network.all_probes:
        assert both.largest_error(probe) < 1e-10


def test_many_connections_learn(run_both):
    """Nengo's optimizer makes one matrix of blocks of them."""
    with nengo.Network(seed=0) as network:
        stimulus = nengo.Node(lambda t: np.sin(6 * t))
        outputs = nengo.Node(size_in=5)
        for i in range(5):
            pre, post = nengo.Ensemble(20, 1), nengo.Node(size_in=1)
            nengo.Connection(stimulus, pre)
            supervised(nengo.PES())(pre, post)
            nengo.Connection(post, outputs[i], synapse=None)
        probe = nengo.Probe(outputs)
    both = run_both(network, 300)
    assert both.largest_error(probe) < 1e-10


def test_sequences_learn_on_their_own():
    with nengo.Network(seed=1) as network:
        stimulus = nengo.Node([0.0])
        pre, post = nengo.Ensemble(40, 1), nengo.Ensemble(30, 1)
        nengo.Connection(stimulus, pre)
        connection = supervised(nengo.PES(1e-3))(pre, post)
        weights = nengo.Probe(connection, "weights", sample_every=0.1)
        output = nengo.Probe(post, synapse=0.05)
    targets = np.array([-0.5, 0.8])
    data = np.broadcast_to(targets[:, None, None], (2, 500, 1))
    with engine.Simulator(network, progress_bar=False, minibatch_size=2) as sim:
        sim.run_steps(500, data={stimulus: data})
    assert np.allclose(sim.data[output][:, -1, 0], targets, atol=0.1)
    assert not np.allclose(sim.data[weights][0, -1], sim.data[weights][1, -1])
