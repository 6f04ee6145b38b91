"""Networks of Keras' layers: sizes as Keras counts them, training that is resumed."""

import numpy as np
import pytest
from nengo.exceptions import ValidationError

from experiments._lib.keras_models import LAYERS, recurrent_model, train, units_for


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


def fit(folder, epochs, data=X, **options):
    """Learn the mean of each sequence; return the model and the history."""
    import tensorflow as tf

    model = recurrent_model("rnn", 8, 1, 1, last=True, seed=1)
    model.compile(tf.optimizers.Adam(0.03), "mse")
    pairs = data, data.mean(axis=1)
    return model, train(model, pairs, pairs, epochs, 16, folder, **options)


def test_training_is_resumed_and_keeps_its_best_epoch(tmp_path):
    model, whole = fit(tmp_path / "whole", 5)
    fit(tmp_path / "parts", 3)
    resumed, parts = fit(tmp_path / "parts", 5, resume=True)
    assert whole["val_loss"] == parts["val_loss"]
    assert whole["val_loss"][-1] > min(whole["val_loss"])  # the last is not the best
    for each in (model, resumed):
        loss = each.evaluate(X, X.mean(axis=1), verbose=0)
        assert loss == pytest.approx(min(whole["val_loss"]), rel=1e-5)


def test_training_of_other_data_is_not_resumed(tmp_path):
    fit(tmp_path, 1)
    with pytest.raises(ValidationError, match="start without --resume"):
        fit(tmp_path, 2, data=X[:32], resume=True)


def test_training_stops_when_it_is_good_enough_or_out_of_time(tmp_path):
    _, history = fit(tmp_path / "good", 1000, enough=1.0)
    assert len(history["val_loss"]) == 1
    ticks = iter(range(1000))
    _, history = fit(tmp_path / "late", 1000, seconds=6, clock=lambda: next(ticks))
    assert 1 <= len(history["val_loss"]) < 3
