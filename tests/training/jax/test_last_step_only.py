"""What is read at the last step only is computed for that step only, and is the same."""

import numpy as np
import pytest

pytest.importorskip("optax")

import jax.numpy as jnp
import nengo

from lmu_nengo import LegendreMemory, Windowed, realize
from lmu_nengo.processes import Dropout
from lmu_nengo.training import Trainer, configure_settings
from tests.training.jax.networks import BATCH, N_STEPS, X, Y, build

KINDS = ("feedback", "stack", "encoder-decoder", "LSTM", "bidirectional", "spikes")


def last(y_true, y_pred):
    """Squared error of the last step."""
    return (y_true[:, -1:] - y_pred[:, -1:]) ** 2


def at_last(network):
    """Values and gradients of the last step, with and without the steps before."""
    realize(network, Windowed(N_STEPS))
    for keep in (True, False):
        network.config[network.output].keep_history = keep
        trainer = Trainer(network, minibatch_size=BATCH, seed=0, progress_bar=False)
        assert trainer.path == "all steps"
        trainer.compile("sgd", loss={network.output: last})
        y = Y if keep else Y[:, -1:]
        values = trainer.predict(X)[network.output]
        assert values.shape[1] == (N_STEPS if keep else 1)
        yield values[:, -1], trainer.gradients(X, {network.output: y})


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=() if k in KINDS[:2] else pytest.mark.slow) for k in KINDS],
)
def test_last_step_is_the_same_with_and_without_the_steps_before(kind):
    assert_same(*at_last(build(kind)))


def assert_same(expected, found):
    """The same values and gradients, up to rounding."""
    assert np.abs(found[0] - expected[0]).max() < 1e-6 * np.abs(expected[0]).max()
    for place, gradient in expected[1].items():
        scale = max(np.abs(gradient).max(), 1e-2)
        assert np.abs(found[1][place] - gradient).max() < 1e-5 * scale, place


def memory_of_neurons(rate=0.0):
    """A memory of what neurons give, with dropout behind it."""
    with nengo.Network(seed=0) as network:
        configure_settings(keep_history=True)
        network.source = nengo.Node(np.zeros(3))
        neurons = nengo.Ensemble(9, 3, neuron_type=nengo.RectifiedLinear()).neurons
        memory = LegendreMemory(theta=0.02, order=6, memory_d=9)
        dropout = nengo.Node(Dropout(rate, size=54))
        readout = nengo.Node(size_in=2)
        weights = np.random.RandomState(0)
        nengo.Connection(network.source[0], readout[0], synapse=None)
        for pre, post in (
            *((network.source, neurons), (neurons, memory.input)),
            *((memory.output, dropout), (dropout, readout)),
        ):
            shape = post.size_in, pre.size_out
            transform = np.eye(9) if post is memory.input else weights.randn(*shape)
            nengo.Connection(pre, post, transform=transform, synapse=None)
        network.output = nengo.Probe(readout, label="output")
    return network


def test_memory_after_neurons_is_the_same_with_and_without_the_steps_before():
    assert_same(*at_last(memory_of_neurons()))


def test_each_sequence_has_dropout_of_its_own():
    network = memory_of_neurons(rate=0.5)
    realize(network, Windowed(N_STEPS))
    network.config[network.output].keep_history = False
    trainer = Trainer(network, minibatch_size=BATCH, seed=0, progress_bar=False)

    def spread(y_true, y_pred):
        return jnp.var(y_pred, axis=0)

    trainer.compile("sgd", loss={network.output: last}, metrics={network.output: spread})
    same = np.repeat(X[:1], BATCH, axis=0)
    history = trainer.fit(same, {network.output: Y[:, -1:]}).history
    assert history["output_spread"][0] > 1
    assert trainer.evaluate(same, {network.output: Y[:, -1:]})["output_spread"] < 1e-6
