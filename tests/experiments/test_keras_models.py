"""Networks of Keras' layers: sizes as Keras counts them, training that is resumed."""

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from experiments._lib.keras_models import (
    FORMAT,
    LAYERS,
    recurrent_model,
    train,
    units_for,
)
from lmu_nengo.io.archive import read_archive


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("n_layers", [1, 4])
def test_layers_are_as_large_as_the_number_of_parameters_allows(kind, n_layers):
    units = units_for(kind, 18_000, 2, 3, n_layers)
    sizes = [
        recurrent_model(kind, n, 2, 3, n_layers=n_layers).count_params()
        for n in (units, units + 1)
    ]
    assert sizes[0] <= 18_000 < sizes[1]


X = np.random.RandomState(0).rand(64, 20, 1).astype(np.float32)


def fit(path, epochs, data=X, learning_rate=0.03, batch=16, **options):
    """Learn the mean of each sequence; return the model and the history."""
    import tensorflow as tf

    model = recurrent_model("rnn", 8, 1, 1, last=True, seed=1)
    model.compile(tf.optimizers.Adam(learning_rate), "mse")
    pairs = data, data.mean(axis=1)
    return model, train(model, pairs, pairs, epochs, batch, path, **options)


def clock_until(limit):
    """A clock of whole seconds that is interrupted."""
    yield from range(limit)
    raise KeyboardInterrupt


def test_training_is_resumed_and_keeps_its_best_epoch(tmp_path):
    path = tmp_path / "parts.npz"
    model, whole = fit(tmp_path / "whole.npz", 5)
    with pytest.raises(KeyboardInterrupt):
        fit(path, 5, clock=clock_until(25).__next__)
    header, _ = read_archive(path, FORMAT)
    assert 1 <= header["done"] < 5 and header["spent"] >= 4 * header["done"]
    start = header["spent"]
    resumed, parts = fit(path, 5, resume=True, clock=iter(range(100)).__next__)
    assert whole["val_loss"] == parts["val_loss"]
    assert parts["seconds"][: header["done"]] == header["history"]["seconds"]
    assert parts["seconds"][-1] > start
    assert all(np.diff(parts["seconds"]) > 0)  # they add up
    assert whole["val_loss"][-1] > min(whole["val_loss"])  # the last is not the best
    for each in (model, resumed):
        loss = each.evaluate(X, X.mean(axis=1), verbose=0)
        assert loss == pytest.approx(min(whole["val_loss"]), rel=1e-5)


def test_training_with_other_settings_is_not_resumed(tmp_path):
    path = tmp_path / "a.npz"
    fit(path, 1)
    before = path.read_bytes()
    for message, options in {
        "epochs 1, not 2": dict(epochs=2),
        "with data": dict(data=X[:32]),
        "learning_rate '0.03', not '0.01'": dict(learning_rate=0.01),
        "batch 16, not 32": dict(batch=32),
        "seed 0, not 1": dict(seed=1),
        "seconds None, not 9": dict(seconds=9),
        "scheduled False, not True": dict(rate=lambda share: 0.03),
    }.items():
        with pytest.raises(ValidationError, match=f"{message}.*start without resuming"):
            fit(path, **{"epochs": 1, **options}, resume=True)
    assert path.read_bytes() == before


def test_training_stops_when_it_is_good_enough_or_out_of_time(tmp_path):
    _, history = fit(tmp_path / "good.npz", 1000, enough=1.0)
    assert len(history["val_loss"]) == 1
    ticks = iter(range(1000))
    _, history = fit(tmp_path / "late.npz", 1000, seconds=6, clock=lambda: next(ticks))
    assert 1 <= len(history["val_loss"]) < 3
