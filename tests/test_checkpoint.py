import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Windowed
from lmu_nengo.training import Checkpoint, Simulator

tf = pytest.importorskip("tensorflow")


def train(regressor, data, path, epochs, resume=False, interrupt=False):
    """Weights, history and simulator's best value after ``epochs``."""
    x, y = data
    net = regressor(True).realize(Windowed(30))
    with Simulator(net.network, minibatch_size=4, seed=0, progress_bar=False) as sim:
        sim.compile(
            tf.optimizers.Adam(0.01),
            loss={net.probe: "mse"},
            metrics={net.probe: "mae"},
        )
        keeper = Checkpoint(sim, path, "readout_mae", resume)
        callbacks = [keeper]
        if interrupt:  # in the middle of the third epoch

            class Interrupt(tf.keras.callbacks.Callback):
                def on_train_batch_end(self, batch, logs=None):
                    if keeper.epoch == 2 and batch == 1:
                        raise KeyboardInterrupt

            callbacks.append(Interrupt())
        sim.fit(
            x,
            {net.probe: y},
            epochs=epochs,
            initial_epoch=keeper.epoch,
            shuffle=False,
            callbacks=callbacks,
            verbose=0,
        )
        last = [v.numpy() for v in sim.keras_model.trainable_variables]
        best = keeper.restore_best()
        restored = [v.numpy() for v in sim.keras_model.trainable_variables]
    return keeper, last, best, restored


def test_interrupted_training_goes_on_as_if_nothing_had_been(
    regressor, sequences, tmp_path
):
    whole, expected, *_ = train(regressor, sequences, tmp_path / "a.npz", 5)
    with pytest.raises(KeyboardInterrupt):
        train(regressor, sequences, tmp_path / "b.npz", 5, interrupt=True)
    resumed, weights, *_ = train(regressor, sequences, tmp_path / "b.npz", 5, True)
    assert resumed.history["loss"] == pytest.approx(whole.history["loss"], rel=1e-6)
    assert resumed.epoch == 5
    for value, other in zip(weights, expected, strict=True):
        assert np.allclose(value, other, atol=1e-6)


def test_the_best_epoch_is_the_one_with_the_largest_value(regressor, sequences, tmp_path):
    # the error falls, so its largest value is in the first epoch
    keeper, last, best, restored = train(regressor, sequences, tmp_path / "c.npz", 3)
    assert best == keeper.history["readout_mae"][0] == max(keeper.history["readout_mae"])
    _, first, *_ = train(regressor, sequences, tmp_path / "d.npz", 1)
    for value, other in zip(restored, first, strict=True):
        assert np.array_equal(value, other)
    assert any(not np.array_equal(a, b) for a, b in zip(last, restored, strict=True))


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
        with pytest.raises(ValidationError, match=r'"seed": 1.*expected .*"seed": 2'):
            Checkpoint(sim, path, "loss", True, settings={"seed": 2})
