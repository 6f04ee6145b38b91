"""The same numbers as keras-lmu 0.9.0, which runs in an environment of its own."""

import json
import os
import re
import subprocess
import warnings
from pathlib import Path

import nengo
import numpy as np
import pytest
from scipy.special import softmax

from benchmarks import keras_lmu_peer
from lmu_nengo import Linear, LMUCell, Stream, Windowed, from_keras_lmu, realize
from lmu_nengo.training import Simulator, Trainer, nengo_dl

tf = pytest.importorskip("tensorflow")

INPUT, CHANNELS, ORDER, HIDDEN, STEPS, BATCH = 3, 2, 16, 5, 31, 4
rng = np.random.RandomState(0)
X = rng.randn(BATCH, STEPS, INPUT).astype(np.float32)
DIRECTION = rng.randn(BATCH, STEPS, HIDDEN).astype(np.float32)
WEIGHTS = {
    "input_encoders": 0.5 * rng.randn(CHANNELS, INPUT),
    "hidden_encoders": 0.2 * rng.randn(CHANNELS, HIDDEN),
    "memory_encoders": 0.03 * rng.randn(CHANNELS, CHANNELS * ORDER),
    "input_kernel": 0.5 * rng.randn(HIDDEN, INPUT),
    "hidden_kernel": 0.3 * rng.randn(HIDDEN, HIDDEN),
    "memory_kernel": 0.1 * rng.randn(HIDDEN, CHANNELS * ORDER),
    "bias": 0.1 * rng.randn(HIDDEN),
}
RECURRENT = ("hidden_encoders", "memory_encoders", "hidden_kernel")


@pytest.fixture(scope="module", params=["LMU", "LMUFeedforward"])
def case(request, tmp_path_factory):
    """Kind, weights, and what keras-lmu makes of them."""
    weights = {
        name: value.astype(np.float32)
        for name, value in WEIGHTS.items()
        if request.param == "LMU" or name not in RECURRENT
    }
    folder = tmp_path_factory.mktemp("keras_lmu")
    np.savez(
        folder / "in.npz",
        x=X,
        direction=DIRECTION,
        order=ORDER,
        theta_steps=STEPS - 6,
        **weights,
    )
    python = keras_lmu_peer.environment(os.environ.get("LMU_NENGO_KERAS_LMU"))
    command = [python, keras_lmu_peer.__file__, "values", folder / "in.npz"]
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    subprocess.run([*command, folder / "out.npz"], check=True, env=environment)
    return request.param, weights, dict(np.load(folder / "out.npz"))


def build(kind, weights):
    """The same cell of ours."""
    kwargs = {name: weights.get(name) for name in WEIGHTS}
    hidden_type = nengo.Tanh(tau_ref=1) if kind == "LMU" else nengo.RectifiedLinear()
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(trainable=None)
        source = nengo.Node(np.zeros(INPUT))
        theta = (STEPS - 6) * 0.001
        cell = LMUCell(
            INPUT,
            memory_d=CHANNELS,
            theta=theta,
            order=ORDER,
            hidden_d=HIDDEN,
            hidden_type=hidden_type,
            **kwargs,
        )
        nengo.Connection(source, cell.input, synapse=None)
        probe = nengo.Probe(cell.output)
    return network, source, cell, probe


@pytest.mark.slow
def test_outputs_of_core_nengo_equal_those_of_keras_lmu(case):
    kind, weights, theirs = case
    network, source, _, probe = build(kind, weights)
    for x, expected in zip(X, theirs["output"], strict=True):
        source.output = nengo.processes.PresentInput(x, 0.001)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(STEPS)
        assert np.abs(sim.data[probe] - expected).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("way", ["step by step", "windowed"])
def test_outputs_and_gradients_in_nengo_dl_equal_those_of_keras_lmu(case, way):
    kind, weights, theirs = case
    network, _, cell, probe = build(kind, weights)
    realize(network, Windowed(STEPS) if way == "windowed" else Linear())
    with Simulator(network, minibatch_size=BATCH, progress_bar=False, seed=0) as sim:
        output = sim.predict(X, verbose=0)[probe]
        # with this loss and rate, each weight changes by minus its gradient
        sim.compile(
            tf.optimizers.SGD(1.0),
            loss={probe: lambda y_true, y_pred: tf.reduce_sum(y_true * y_pred)},
        )
        sim.fit(X, {probe: DIRECTION}, verbose=0)
        sim.freeze_params(network)
    assert np.abs(output - theirs["output"]).max() < 1e-5
    for name, before in weights.items():
        gradient = before - cell.weights[name]
        scale = np.abs(theirs[name]).max()
        assert scale > 0.1
        assert np.abs(gradient - theirs[name]).max() < 1e-4 * scale, name


@pytest.mark.slow
@pytest.mark.parametrize("way", ["step by step", "windowed"])
def test_outputs_and_gradients_of_the_trainer_equal_those_of_keras_lmu(case, way):
    kind, weights, theirs = case
    network, _, cell, probe = build(kind, weights)
    realize(network, Windowed(STEPS) if way == "windowed" else Linear())
    trainer = Trainer(network, minibatch_size=BATCH, progress_bar=False, seed=0)
    output = trainer.predict(X)[probe]
    trainer.compile("sgd", loss={probe: lambda y_true, y_pred: (y_true * y_pred).sum()})
    found = trainer.gradients(X, {probe: DIRECTION})
    gradients = {name: found[conn, "weights"] for name, conn in cell.paths.items()}
    gradients["bias"] = found[cell.hidden.neurons, "bias"]
    assert np.abs(output - theirs["output"]).max() < 1e-5
    for name in weights:
        gradient = gradients[name].reshape(theirs[name].shape)
        scale = np.abs(theirs[name]).max()
        assert np.abs(gradient - theirs[name]).max() < 1e-4 * scale, name


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folder with models that keras-lmu saved."""
    folder = tmp_path_factory.mktemp("models")
    python = keras_lmu_peer.environment(os.environ.get("LMU_NENGO_KERAS_LMU"))
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    command = [python, keras_lmu_peer.__file__, "save", folder]
    subprocess.run(command, check=True, env=environment)
    return folder


MODELS = ("lmu_1", "lmu_12", "feedforward_1", "feedforward_12", "two", "cell", "euler")


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("ending", ["keras", "h5", "weights.h5"])
def test_a_saved_model_of_keras_lmu_gives_the_same_outputs(saved, name, ending):
    config = json.loads((saved / f"{name}.json").read_text())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the softmax of")
        network = from_keras_lmu(
            saved / f"{name}.{ending}", config if ending == "weights.h5" else None
        )
    theirs = np.load(saved / f"{name}.npz")
    x, expected = theirs["x"], theirs["y"]
    with Stream(network, n_streams=len(x), engine="core") as stream:
        y = stream.push(x)
    y = softmax(y, axis=-1) if name == "lmu_1" else y
    y = y if expected.ndim == 3 else y[:, -1]
    assert np.abs(expected).max() > 0.1
    assert np.abs(y - expected).max() < 1e-5


def test_the_peer_is_never_imported_by_the_package():
    root = Path(__file__).parents[2]
    for path in root.joinpath("lmu_nengo").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(import|from) keras(_lmu)?\b", text, re.MULTILINE), path
