"""What was trained is what is run next, unless that was declined."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo import Stream
from lmu_nengo.training import Checkpoint, Simulator

tf = pytest.importorskip("tensorflow")

STEPS = 8
X = np.random.RandomState(0).randn(4, STEPS, 2).astype(np.float32)
Y = np.random.RandomState(1).randn(4, STEPS, 3).astype(np.float32)


def build():
    """A cell that feeds back and trains theta, an LSTM, and neurons that stay."""
    with nengo.Network(seed=0) as network:
        network.x = nengo.Node(np.zeros(2))
        cell = lmu_nengo.LMUCell(
            2,
            memory_d=1,
            theta=0.005,
            order=3,
            hidden_d=4,
            hidden_kernel=0.1 * np.eye(4),
            trainable=["memory_kernel", "bias", "theta"],
        )
        lstm = lmu_nengo.LSTM(2, 3)
        network.answer = nengo.Node(size_in=3)
        weights = np.random.RandomState(2).randn(3, 4)
        for layer in (cell, lstm):
            nengo.Connection(network.x, layer.input, synapse=None)
        nengo.Connection(cell.output, network.answer, transform=weights, synapse=None)
        nengo.Connection(lstm.output, network.answer, synapse=None)
        network.ensemble = nengo.Ensemble(10, 2, neuron_type=nengo.RectifiedLinear())
        network.decoded = nengo.Connection(
            network.ensemble, network.answer[:2], synapse=None
        )
        network.config.configures(nengo.Ensemble)
        network.config.configures(nengo.Connection)
        for kind in (nengo.Ensemble, nengo.Connection):
            network.config[kind].set_param(
                "trainable", nengo.params.BoolParam("trainable", None, optional=True)
            )
        network.config[network.ensemble].trainable = False
        network.config[network.decoded].trainable = False
        network.probe = nengo.Probe(network.answer)
    lmu_nengo.realize(network, lmu_nengo.Windowed(STEPS))
    return network


def test_what_was_trained_is_frozen_into_a_network_that_is_realized_anew():
    network, other = build(), build()
    for net, realization in ((network, lmu_nengo.Linear()), (other, None)):
        with Simulator(net, minibatch_size=4, seed=0, progress_bar=False) as sim:
            sim.compile(tf.optimizers.SGD(0.1), loss={net.probe: "mse"})
            sim.fit(X, {net.probe: Y}, epochs=1, verbose=0)
            if realization is not None:
                lmu_nengo.realize(net, realization)
            sim.freeze_params(net)
    for part, same in zip(network.networks, other.networks, strict=True):
        for name, value in part.weights.items():
            assert np.array_equal(value, same.weights[name]), name
    lmu_nengo.realize(other, lmu_nengo.Linear())
    x = nengo.processes.PresentInput(X[0], 0.001)
    results = []
    for net in (network, other):
        net.x.output = x
        with nengo.Simulator(net, progress_bar=False) as sim:
            sim.run_steps(STEPS)
        results.append(sim.data[net.probe])
    assert np.array_equal(*results)
    with (
        Simulator(build(), minibatch_size=4, progress_bar=False) as sim,
        pytest.raises(ValidationError, match="network of this simulator"),
    ):
        sim.freeze_params(other)


def test_theta_stays_positive_however_fast_it_is_trained():
    network = build()
    cell = network.networks[0]
    with Simulator(network, minibatch_size=4, seed=0, progress_bar=False) as sim:
        sim.compile(tf.optimizers.SGD(0.0), loss={network.probe: "mse"})
        sim.fit(X, {network.probe: Y}, epochs=1, verbose=0)
        assert cell.memory.theta == pytest.approx(0.005, rel=1e-6)
        sim.compile(tf.optimizers.Adam(1.0), loss={network.probe: "mse"})
        sim.fit(X, {network.probe: Y}, epochs=3, verbose=0)
        assert cell.memory.theta > 0 and cell.memory.theta != 0.005
        sim.freeze_params(network)
    lmu_nengo.realize(network, lmu_nengo.Linear())
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(3)


def train(network, rate=0.1, **options):
    """Train without any other call; return what the simulator predicts at the end."""
    with Simulator(network, minibatch_size=4, seed=0, progress_bar=False, **options) as sim:
        sim.compile(tf.optimizers.SGD(rate), loss={network.probe: "mse"})
        sim.fit(X, {network.probe: Y}, epochs=2, verbose=0)
        return sim.predict(X, verbose=0)[network.probe]


def run(network):
    with Stream(network, network.x, network.probe, n_streams=4, engine="core") as stream:
        return stream.push(X)


def test_the_network_is_what_was_trained():
    network = build()
    before, solver = run(network), network.decoded.solver
    trained = train(network)
    assert np.abs(trained - before).max() > 0.01
    assert np.abs(run(network) - trained).max() < 1e-5
    # what is not trained is still solved, for whatever neurons it will have
    assert network.decoded.solver is solver
    assert not isinstance(network.ensemble.gain, np.ndarray)


def test_a_checkpoint_fits_the_network_that_was_trained(tmp_path):
    with nengo.Network(seed=0) as network:
        x, y = nengo.Node([0]), nengo.Node(size_in=1)
        conn = nengo.Connection(x, y, transform=[[0.5]], synapse=None)
        probe = nengo.Probe(y)
    data = dict(x=np.ones((1, 1, 1)), y={probe: np.full((1, 1, 1), 2.0)}, verbose=0)
    losses = []
    for epochs in (1, 3):
        with Simulator(network, minibatch_size=1, seed=0, progress_bar=False) as sim:
            sim.compile(tf.optimizers.SGD(0.1), loss={probe: "mse"})
            keeper = Checkpoint(sim, tmp_path / "w.npz", "loss", resume=True, mode="min")
            data |= dict(epochs=epochs, initial_epoch=keeper.epoch, callbacks=[keeper])
            losses += sim.fit(**data).history["loss"]
    assert conn.transform.init.shape == (1, 1)
    # w - 2 shrinks by a factor of 1 - 2 * 0.1 in each epoch
    assert losses == pytest.approx([1.5**2 * 0.64**k for k in range(3)], rel=1e-5)


def test_it_can_be_declined():
    network = build()
    before = run(network)
    train(network, write_back=False)
    assert np.array_equal(run(network), before)


def test_what_is_not_finite_is_not_written():
    network = build()
    before = run(network)
    with pytest.warns(UserWarning, match=r"not written into the network \(they are not"):
        train(network, rate=np.inf)
    assert np.array_equal(run(network), before)


def test_the_best_epoch_is_written(tmp_path):
    network = build()
    with Simulator(network, minibatch_size=4, seed=0, progress_bar=False) as sim:
        sim.compile(tf.optimizers.SGD(30.0), loss={network.probe: "mse"})  # gets worse
        keeper = Checkpoint(sim, tmp_path / "best.npz", "loss", mode="min")
        data = dict(x=X, y={network.probe: Y}, callbacks=[keeper], verbose=0)
        sim.fit(**data, epochs=3)
        last = sim.predict(X, verbose=0)[network.probe]
        assert np.abs(run(network) - last).max() < 1e-3 * np.abs(last).max()
        keeper.restore_best()
        best = sim.predict(X, verbose=0)[network.probe]
    assert np.abs(best - last).max() > 0.01
    assert np.abs(run(network) - best).max() < 1e-3 * np.abs(best).max()
