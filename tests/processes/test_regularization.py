"""Dropout and noise: random in training, and only there."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import LegendreMemory, Linear, Windowed
from lmu_nengo.processes import Dropout, GaussianNoise
from lmu_nengo.training import Simulator, nengo_dl

tf = pytest.importorskip("tensorflow")


def check_dropout(values, rate=0.3):
    n = len(values)
    assert np.allclose(np.unique(values), [0, 1 / (1 - rate)])
    # 4 standard deviations of a binomial share
    error = 4 * np.sqrt(rate * (1 - rate) / n)
    assert np.mean(values == 0) == pytest.approx(rate, abs=error)


def check_noise(values, std=0.3):
    n = len(values)  # 4 standard errors
    assert np.mean(values) == pytest.approx(1, abs=4 * std / np.sqrt(n))
    assert np.std(values) == pytest.approx(std, abs=4 * std / np.sqrt(2 * n))


def test_values_change_in_training_only():
    n = 4000
    processes = {Dropout(0.3, n): check_dropout, GaussianNoise(0.3, n): check_noise}
    with nengo.Network() as network:
        source = nengo.Node(np.ones(n))
        probes = []
        for process in processes:
            node = nengo.Node(process)
            nengo.Connection(source, node, synapse=None)
            probes.append(nengo.Probe(node))

    def run(learning_phase):
        with network:
            nengo_dl.configure_settings(learning_phase=learning_phase)
        with Simulator(network, progress_bar=False, seed=0) as sim:
            values = sim.predict(n_steps=1, verbose=0)
        return [values[probe].ravel() for probe in probes]

    for check, values in zip(processes.values(), run(True), strict=True):
        check(values)
    assert np.all(np.array(run(False)) == 1)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(2)
    assert all(np.all(sim.data[probe] == 1) for probe in probes)


@pytest.mark.parametrize(
    "realization, compiled",
    [
        (Windowed(3), False),
        pytest.param(Windowed(3), True, marks=pytest.mark.slow),
        (Linear(), False),
    ],
    ids=["windowed", "compiled", "step by step"],
)
def test_masks_differ_by_place_batch_and_step_and_come_again(realization, compiled):
    n = 200

    def masks(seed, batches):
        """Which values are dropped; shape (batches, places, rows, steps, n)."""
        with nengo.Network(seed=0) as network:
            nengo_dl.configure_settings(stateful=False)
            source = nengo.Node(np.ones(n), label="source")
            memory = LegendreMemory(0.003, 2, realization=realization)
            nengo.Connection(source[0], memory.input, synapse=None)
            for _ in range(2):
                dropout = nengo.Node(Dropout(0.5, n))
                nengo.Connection(source, dropout, synapse=None)
                nengo.Probe(dropout)
        with Simulator(network, minibatch_size=2, seed=seed, progress_bar=False) as sim:
            sim.compile("sgd", loss="mse")
            call = tf.function(
                lambda x: sim.keras_model(x, training=True), jit_compile=compiled
            )
            values = []
            for batch in batches:
                sim.keras_model.optimizer.iterations.assign(batch)
                steps = np.full((2, 1), 3, np.int32)
                *probed, _ = call([np.ones((2, 3, n), np.float32), steps])
                values.append([p.numpy() == 0 for p in probed])
        return np.array(values)

    first = masks(seed=1, batches=(0, 1, 0))
    assert np.array_equal(first[0], first[2])
    parts = [*first[:2].reshape(-1, n), *masks(seed=2, batches=(0,)).reshape(-1, n)]
    assert len(parts) == 2 * 2 * 2 * 3 + 2 * 2 * 3
    shares = [np.mean(a == b) for i, a in enumerate(parts) for b in parts[:i]]
    # 5 standard deviations of a binomial share
    assert np.allclose(shares, 0.5, atol=5 * 0.5 / np.sqrt(n))


@pytest.mark.parametrize("kind", [Dropout, GaussianNoise])
@pytest.mark.parametrize("value, size", [(-0.1, 5), (0.5, 0), (0.5, 2.5)])
def test_wrong_arguments_are_refused(kind, value, size):
    with pytest.raises(ValidationError):
        kind(value, size)


def test_dropping_everything_is_refused():
    with pytest.raises(ValidationError):
        Dropout(1, 5)
