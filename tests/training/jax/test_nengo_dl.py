"""The same outputs and gradients as NengoDL, in every path."""

import nengo
import numpy as np
import pytest

pytest.importorskip("optax")
pytest.importorskip("tensorflow")

from lmu_nengo import Linear, Windowed, realize
from lmu_nengo.training import Simulator, Trainer
from tests.training.jax.networks import BATCH, KINDS, N_STEPS, X, build, targets

import tensorflow as tf  # isort: skip

CASES = [(kind, "windowed") for kind in (*KINDS, "LSTM", "state space")]
CASES += [("bidirectional", "windowed"), ("spikes", "windowed")]
CASES += [(kind, "step by step") for kind in ("all steps", "spikes")]
FAST = ("last step", "all steps")


def parameters_of(sim, places):
    """Values in NengoDL's simulator by place."""
    names = {"encoders": "scaled_encoders"}
    keys = [(getattr(obj, "ensemble", obj), names.get(name, name)) for obj, name in places]
    return [np.array(value) for value in sim.data.get_params(*keys)]


@pytest.mark.parametrize(
    "kind, way",
    [
        pytest.param(*case, marks=() if case[0] in FAST else pytest.mark.slow)
        for case in CASES
    ],
)
def test_outputs_and_gradients_are_those_of_nengodl(kind, way):
    network = build(kind)
    realize(network, Windowed(N_STEPS) if way == "windowed" else Linear())
    y, options = {network.output: targets(kind)}, dict(seed=0, progress_bar=False)
    trainer = Trainer(network, minibatch_size=BATCH, **options)
    trainer.compile("sgd", loss={network.output: "mse"})
    outputs, gradients = trainer.predict(X)[network.output], trainer.gradients(X, y)
    with Simulator(network, minibatch_size=BATCH, write_back=False, **options) as sim:
        assert sim.path == trainer.path and sim.path_reason == trainer.path_reason
        expected = sim.predict(X, verbose=0)[network.output]
        # at this rate, each parameter changes by minus its gradient
        sim.compile(tf.optimizers.SGD(1.0), loss={network.output: "mse"})
        n_parameters = sum(int(np.prod(w.shape)) for w in sim.keras_model.trainable_weights)
        before = parameters_of(sim, trainer.places)
        sim.fit(X, y, verbose=0)
        after = parameters_of(sim, trainer.places)
    assert trainer.n_parameters == n_parameters
    assert outputs.shape == expected.shape
    assert np.abs(outputs - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    for place, old, new in zip(trainer.places, before, after, strict=True):
        found, gradient = gradients[place], old - new
        scale = max(np.abs(gradient).max(), 1e-2)
        assert np.abs(found - gradient.reshape(found.shape)).max() < 1e-4 * scale, place


@pytest.mark.slow
def test_training_is_that_of_nengodl():
    losses = []
    for kind in (Trainer, Simulator):
        network = build("last step")
        realize(network, Windowed(N_STEPS))
        sim = kind(network, minibatch_size=2, seed=0, progress_bar=False)
        sim.compile("adam", loss={network.output: "mse"})
        fitted = sim.fit(X, {network.output: targets("last step")}, epochs=5, shuffle=False)
        losses.append(fitted.history["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert isinstance(network, nengo.Network)
