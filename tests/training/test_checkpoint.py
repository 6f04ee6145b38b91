import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Linear, Windowed
from lmu_nengo.io.archive import read_archive
from lmu_nengo.processes import Dropout, GaussianNoise
from lmu_nengo.training import Checkpoint, Simulator
from lmu_nengo.training.checkpoint import FORMAT
from lmu_nengo.training.plan.checkpoint_file import KEYS, read_newest

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


@pytest.fixture(scope="module")
def whole(regressor, sequences, tmp_path_factory):
    """What five epochs without an interruption give."""
    path = tmp_path_factory.mktemp("whole") / "a.npz"
    return train(regressor, sequences, path, 5, mode="min")


def test_interrupted_training_resumes_to_the_last_bit(
    regressor, sequences, tmp_path, whole
):
    path = tmp_path / "b.npz"
    with pytest.raises(KeyboardInterrupt):
        train(regressor, sequences, path, 5, interrupt=True, mode="min")
    # the seed is that of the file
    resumed = train(regressor, sequences, path, 5, resume=True, seed=1, mode="min")
    assert_same(resumed, whole)


def test_the_seconds_of_all_runs_add_up(regressor, sequences, tmp_path, whole):
    path = tmp_path / "a.npz"
    train(regressor, sequences, path, 2, mode="min")
    first = read_archive(path, FORMAT)[0]["seconds"]
    keeper, *_ = train(regressor, sequences, path, 3, resume=True, mode="min")
    assert 0 < first < keeper.seconds == read_archive(path, FORMAT)[0]["seconds"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "realization, options",
    [(Windowed(30), {"jit_compile": True, "steps_per_execution": 3}), (Linear(), {})],
    ids=["compiled", "step by step"],
)
def test_interrupted_training_resumes_in_all_ways(
    regressor, sequences, tmp_path, realization, options
):
    same = dict(realization=realization, options=options)
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    expected = train(regressor, sequences, a, 5, **same)
    with pytest.raises(KeyboardInterrupt):
        train(regressor, sequences, b, 5, interrupt=True, **same)
    assert_same(train(regressor, sequences, b, 5, resume=True, **same), expected)


def assert_same(got, expected):
    assert got[0].history == expected[0].history
    assert got[0].epoch == 5
    assert got[2] == expected[2]
    assert equal(got[1], expected[1]) and equal(got[3], expected[3])


def test_the_best_epoch_is_kept(regressor, sequences, tmp_path, whole):
    # the error falls: it is largest in the first epoch, smallest in the last
    keeper, last, best, restored = whole
    assert best == min(keeper.history["readout_mae"]) == keeper.history["readout_mae"][-1]
    assert equal(last, restored)
    keeper, last, best, restored = train(regressor, sequences, tmp_path / "c.npz", 2)
    assert best == max(keeper.history["readout_mae"]) == keeper.history["readout_mae"][0]
    _, expected, *_ = train(regressor, sequences, tmp_path / "d.npz", 1)
    assert equal(restored, expected) and not equal(last, restored)


def test_a_damaged_newest_file_costs_one_epoch(regressor, sequences, tmp_path, whole):
    path = tmp_path / "b.npz"
    train(regressor, sequences, path, 3, mode="min")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.warns(UserWarning, match=r"b\.npz is damaged.*b\.previous\.npz"):
        resumed = train(regressor, sequences, path, 5, resume=True, mode="min")
    assert_same(resumed, whole)
    keeper = resumed[0]
    path.unlink()
    files = path, keeper.previous, FORMAT, KEYS, True, keeper
    saved, _ = read_newest(*files)
    assert saved["epoch"] == 4
    for file in (path, keeper.previous):
        file.write_bytes(b"")
    with pytest.raises(ValidationError, match=r"b\.npz is .*b\.previous\.npz is damaged"):
        read_newest(*files)


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
        path = tmp_path / "f.npz"
        Checkpoint(sim, path, "loss", settings={"seed": 1}).save()
        assert Checkpoint(sim, path, "loss", True, settings={"seed": 1}).epoch == 0
        for message, other in {
            "seed 1, not 2": {"seed": 2},
            "seed 1, not None; size.order None, not 3": {"size": {"order": 3}},
            "seed 1, not None": None,
        }.items():
            with pytest.raises(ValidationError, match=f"written with {message}. Use"):
                Checkpoint(sim, path, "loss", True, settings=other)


def test_a_checkpoint_of_another_network_is_refused(regressor, whole):
    net = regressor(True, order=7).realize(Windowed(30))
    with Simulator(net.network, minibatch_size=4, progress_bar=False) as sim:
        sim.compile("adam", loss={net.probe: "mse"})
        with pytest.raises(ValidationError, match="from another network"):
            Checkpoint(sim, whole[0].path, "loss", resume=True)
