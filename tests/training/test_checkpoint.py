import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Linear, Windowed
from lmu_nengo.processes import Dropout, GaussianNoise
from lmu_nengo.training import Checkpoint, Simulator

tf = pytest.importorskip("tensorflow")


def train(
    regressor,
    data,
    path,
    epochs,
    resume=False,
    interrupt=False,
    mode="max",
    realization=None,
    seed=0,
    options=None,
):
    """Weights, history and simulator's best value after ``epochs``."""
    x, y = data
    net = regressor(True).realize(realization or Windowed(30))
    with net.network:
        for neurons in (slice(0, 10), slice(10, 20)):
            dropout = nengo.Node(Dropout(0.5, 10))
            nengo.Connection(net.hidden.neurons[neurons], dropout, synapse=None)
            noise = nengo.Node(GaussianNoise(0.1, 2))
            nengo.Connection(dropout[:2], noise, synapse=None)
            nengo.Connection(noise, net.readout, synapse=None)
    with Simulator(net.network, minibatch_size=4, seed=seed, progress_bar=False) as sim:
        sim.compile(
            tf.optimizers.Adam(0.01),
            loss={net.probe: "mse"},
            metrics={net.probe: "mae"},
            **(options or {}),
        )
        keeper = Checkpoint(sim, path, "readout_mae", resume, mode=mode)
        callbacks = [keeper]
        if interrupt:  # in the middle of the third epoch

            class Interrupt(tf.keras.callbacks.Callback):
                def on_train_batch_end(self, batch, logs=None):
                    if keeper.epoch == 2:
                        raise KeyboardInterrupt

            callbacks.append(Interrupt())
        sim.fit(
            x,
            {net.probe: y},
            epochs=epochs,
            initial_epoch=keeper.epoch,
            callbacks=callbacks,
            verbose=0,
        )
        last = [v.numpy() for v in sim.keras_model.weights]
        best = keeper.restore_best()
        restored = [v.numpy() for v in sim.keras_model.weights]
    return keeper, last, best, restored


def equal(weights, others):
    pairs = zip(weights, others, strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "realization, options, seeds",
    [
        (Windowed(30), {}, (0, 0)),
        (Windowed(30), {"jit_compile": True, "steps_per_execution": 3}, (0, 0)),
        (Linear(), {}, (0, 0)),
        (Windowed(30), {}, (0, 1)),  # the seed is that of the file
    ],
    ids=["windowed", "compiled", "step by step", "other seed"],
)
def test_interrupted_training_goes_on_to_the_last_bit(
    regressor, sequences, tmp_path, realization, options, seeds
):
    same = dict(realization=realization, options=options)
    seed, other = seeds
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    whole = train(regressor, sequences, a, 5, seed=seed, **same)
    with pytest.raises(KeyboardInterrupt):
        train(regressor, sequences, b, 5, interrupt=True, seed=seed, **same)
    resumed = train(regressor, sequences, b, 5, resume=True, seed=other, **same)
    assert resumed[0].history == whole[0].history
    assert resumed[0].epoch == 5
    assert resumed[2] == whole[2]
    assert equal(resumed[1], whole[1]) and equal(resumed[3], whole[3])


@pytest.mark.parametrize("mode, best_of", [("max", max), ("min", min)])
def test_the_best_epoch_is_kept(regressor, sequences, tmp_path, mode, best_of):
    # the error falls, so its largest value is in the first epoch
    path = tmp_path / "c.npz"
    keeper, last, best, restored = train(regressor, sequences, path, 3, mode=mode)
    values = keeper.history["readout_mae"]
    assert best == best_of(values) == values[0 if mode == "max" else 2]
    epochs = 1 if mode == "max" else 3
    _, expected, *_ = train(regressor, sequences, tmp_path / "d.npz", epochs)
    assert equal(restored, expected)
    assert equal(last, restored) == (mode == "min")


def test_a_damaged_newest_file_costs_one_epoch(regressor, sequences, tmp_path):
    whole, expected, *_ = train(regressor, sequences, tmp_path / "a.npz", 4)
    path = tmp_path / "b.npz"
    train(regressor, sequences, path, 3)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"b\.npz is damaged.*b\.previous\.npz"):
        keeper, weights, *_ = train(regressor, sequences, path, 4, resume=True)
    assert keeper.history == whole.history
    assert equal(weights, expected)
    path.unlink()
    assert train(regressor, sequences, path, 3, resume=True)[0].epoch == 3
    for file in (path, keeper.previous):
        file.write_bytes(b"")
    with pytest.raises(ValidationError, match=r"b\.npz is .*b\.previous\.npz is damaged"):
        train(regressor, sequences, path, 4, resume=True)


def test_wrong_use_is_refused(regressor, sequences, tmp_path):
    x, y = sequences
    net = regressor(True).realize(Windowed(30))
    with Simulator(net.network, minibatch_size=4, seed=0, progress_bar=False) as sim:
        sim.compile("sgd", loss={net.probe: "mse"})
        path = tmp_path / "g.npz"
        with pytest.raises(ValidationError, match="mode: must be one of .* got 'auto'"):
            Checkpoint(sim, path, "loss", mode="auto")
        keeper = Checkpoint(sim, path, "accuracy")
        with pytest.raises(ValidationError, match="no epoch with a value of 'accuracy'"):
            keeper.restore_best()
        with pytest.raises(ValidationError, match=r"one of \['loss'.*got 'accuracy'"):
            sim.fit(x, {net.probe: y}, callbacks=[keeper], verbose=0)
        keeper = Checkpoint(sim, path, "loss", mode="min")
        sim.fit(x, {net.probe: y}, callbacks=[keeper], verbose=0)
        with pytest.raises(ValidationError, match="initial_epoch: must be 1, .*got 0"):
            sim.fit(x, {net.probe: y}, callbacks=[keeper], verbose=0)


def test_a_checkpoint_of_another_network_is_refused(regressor, sequences, tmp_path):
    path = tmp_path / "e.npz"
    train(regressor, sequences, path, 1)
    net = regressor(True, order=7).realize(Windowed(30))
    with Simulator(net.network, minibatch_size=4, progress_bar=False) as sim:
        sim.compile("adam", loss={net.probe: "mse"})
        with pytest.raises(ValidationError, match="from another network"):
            Checkpoint(sim, path, "loss", resume=True)


def test_a_checkpoint_with_other_settings_is_refused(regressor, tmp_path):
    net = regressor(True).realize(Windowed(30))
    with Simulator(net.network, minibatch_size=4, progress_bar=False) as sim:
        sim.compile("adam", loss={net.probe: "mse"})
        path = tmp_path / "f.npz"
        Checkpoint(sim, path, "loss", settings={"seed": 1}).save()
        assert Checkpoint(sim, path, "loss", True, settings={"seed": 1}).epoch == 0
        with pytest.raises(ValidationError, match=r"'seed': 1.*are .*'seed': 2"):
            Checkpoint(sim, path, "loss", True, settings={"seed": 2})
