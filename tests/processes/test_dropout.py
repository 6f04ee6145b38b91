import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import LegendreMemory, Linear, Windowed
from lmu_nengo.processes import Dropout
from lmu_nengo.training import Simulator, nengo_dl

tf = pytest.importorskip("tensorflow")


def test_dropout_drops_in_training_only():
    n, rate = 2000, 0.3
    with nengo.Network() as network:
        source = nengo.Node(np.ones(n))
        dropout = nengo.Node(Dropout(rate, n))
        nengo.Connection(source, dropout, synapse=None)
        probe = nengo.Probe(dropout)

    def run(learning_phase):
        with network:
            nengo_dl.configure_settings(learning_phase=learning_phase)
        with Simulator(network, progress_bar=False, seed=0) as sim:
            return sim.predict(n_steps=1, verbose=0)[probe].ravel()

    trained = run(True)
    assert np.allclose(np.unique(trained), [0, 1 / (1 - rate)])
    # 4 standard deviations of a binomial share
    assert np.mean(trained == 0) == pytest.approx(
        rate, abs=4 * np.sqrt(rate * (1 - rate) / n)
    )
    assert np.all(run(False) == 1)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(2)
    assert np.all(sim.data[probe] == 1)


@pytest.mark.parametrize(
    "realization, compiled",
    [(Windowed(3), False), (Windowed(3), True), (Linear(), False)],
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

    first = masks(seed=1, batches=(0, 1))
    assert np.array_equal(first[::-1], masks(seed=1, batches=(1, 0)))
    parts = [*first.reshape(-1, n), *masks(seed=2, batches=(0,)).reshape(-1, n)]
    assert len(parts) == 2 * 2 * 2 * 3 + 2 * 2 * 3
    shares = [np.mean(a == b) for i, a in enumerate(parts) for b in parts[:i]]
    # 5 standard deviations of a binomial share
    assert np.allclose(shares, 0.5, atol=5 * 0.5 / np.sqrt(n))


@pytest.mark.parametrize("rate, size", [(1, 5), (-0.1, 5), (0.5, 0), (0.5, 2.5)])
def test_bad_dropout_is_refused(rate, size):
    with pytest.raises(ValidationError):
        Dropout(rate, size)
