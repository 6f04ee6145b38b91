import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

pytest.importorskip("optax")

from lmu_nengo import engine
from lmu_nengo.training import Trainer

quiet = dict(progress_bar=False, seed=0, minibatch_size=2)
rng = np.random.RandomState(0)
X, Y = rng.uniform(-1, 1, size=(4, 20, 2)), rng.uniform(-1, 1, size=(4, 20, 3))


def every_kind_of_parameter():
    """Encoders, biases, decoders of functions with transforms, slices, a convolution."""
    kernel = nengo.Convolution(2, (3, 1), kernel_size=(2,), strides=(1,))
    with nengo.Network(seed=0) as network:
        network.u = nengo.Node([0, 0], label="u")
        a = nengo.Ensemble(15, 2, neuron_type=nengo.LIFRate(), radius=1.5)
        b = nengo.Ensemble(12, 1, neuron_type=nengo.Sigmoid(), label="b")
        output = nengo.Node(size_in=3)
        convolved = nengo.Node(size_in=kernel.size_out)
        nengo.Connection(network.u, a, synapse=None)
        nengo.Connection(
            a[1],
            output[[0, 2]],
            function=lambda x: [x, x**2, x**3],
            transform=np.ones((2, 3)),
            synapse=0.005,
        )
        nengo.Connection(a, b, function=lambda x: x[0] * x[1], synapse=None)
        nengo.Connection(b, output[1])
        nengo.Connection(a.neurons[2], output[0], transform=0.01, synapse=None)
        nengo.Connection(network.u[::1], output[:2], transform=[0.3, 0.4], synapse=None)
        nengo.Connection(output, convolved, transform=kernel, synapse=None)
        nengo.Connection(convolved[:3], output, transform=np.eye(3) / 10, synapse=0)
        network.output = nengo.Probe(output)
    return network


def test_the_network_has_what_was_trained():
    network = every_kind_of_parameter()
    trainer = Trainer(network, **quiet)
    names = [name for _, name in trainer.places]
    assert (names.count("encoders"), names.count("bias")) == (2, 2)
    assert names.count("weights") == 7
    trainer.compile("adam", loss={network.output: "mse"})
    before = [np.asarray(x) for x in trainer.parameters]
    trainer.fit(X, Y, epochs=3)
    moved = [
        np.abs(np.asarray(x) - old).max()
        for x, old in zip(trainer.parameters, before, strict=True)
    ]
    assert min(moved) > 1e-4
    expected = trainer.predict(X[:2])[network.output]
    with engine.Simulator(network, minibatch_size=2, progress_bar=False) as sim:
        sim.run_steps(20, data={network.u: X[:2]})
    scale = np.abs(expected).max()
    assert np.abs(sim.data[network.output] - expected).max() < 1e-4 * scale


def test_only_what_is_named_is_written():
    network = every_kind_of_parameter()
    trainer = Trainer(network, write_back=False, **quiet)
    trainer.compile("adam", loss={network.output: "mse"})
    trainer.fit(X, Y)
    b = network.ensembles[1]
    assert isinstance(b.bias, type(network.ensembles[0].bias))
    trainer.freeze_params(b)
    assert np.shape(b.bias) == (12,)
    assert np.shape(network.ensembles[0].bias) == ()
    with pytest.raises(ValidationError, match="must be the trained network"):
        trainer.freeze_params(nengo.Network())


def test_full_weights_are_refused():
    with nengo.Network() as network:
        a, b = nengo.Ensemble(10, 1), nengo.Ensemble(10, 1)
        solver = nengo.solvers.LstsqL2(weights=True)
        nengo.Connection(a, b, solver=solver, label="full")
    with pytest.raises(ValidationError, match="has full weights"):
        Trainer(network, **quiet)
