import numpy as np
import pytest

from lmu_nengo import Windowed
from lmu_nengo.training import Simulator
from lmu_nengo.training.shuffling import batches

tf = pytest.importorskip("tensorflow")

quiet = dict(progress_bar=False, minibatch_size=4)


def rows(seed, done=0, n=12):
    """The first three passes of batches of 4 rows, of which there are ``n``."""
    dataset = batches(({"x": np.arange(n)},), n, 4, seed, done)
    taken = dataset.take(9).as_numpy_iterator()
    return np.array([batch["x"] for (batch,) in taken]).reshape(3, -1)


def test_each_pass_has_every_row_once_in_another_order():
    order = rows(seed=1)
    for one_pass in order:
        assert sorted(one_pass) == list(range(12))
    assert len({tuple(one_pass) for one_pass in order}) == 3


def test_the_order_follows_from_the_seed_and_the_batch():
    order = rows(seed=1)
    assert np.array_equal(order, rows(seed=1))
    assert not np.array_equal(order[0], rows(seed=2)[0])
    assert np.array_equal(rows(seed=1, done=3)[:2], order[1:])
    assert np.array_equal(rows(seed=1, done=4).ravel()[:20], order.ravel()[16:])


@pytest.fixture(scope="module")
def trained(regressor, sequences):
    """A simulator, its probe and its first weights; tracing it anew takes long."""
    net = regressor(True).realize(Windowed(30))
    with Simulator(net.network, seed=0, **quiet) as sim:
        sim.compile("sgd", loss={net.probe: "mse"})
        yield sim, net.probe, sim.keras_model.get_weights()


def fit(trained, data, seed=0, parts=((0, 4),), **options):
    """Loss of each epoch from the first weights on, in one or several calls of ``fit``."""
    sim, probe, weights = trained
    x, y = data
    sim.keras_model.set_weights(weights)
    sim.tensor_graph.seed = seed
    losses = []
    for first, last in parts:
        epochs = dict(initial_epoch=first, epochs=last, verbose=0)
        fitted = sim.fit(x, {probe: y}, **epochs, **options)
        losses.extend(fitted.history["loss"])
    return losses, fitted.history


def test_training_in_parts_is_training_at_once(trained, sequences):
    losses, _ = fit(trained, sequences)
    assert fit(trained, sequences, parts=((0, 1), (1, 4)))[0] == losses
    assert fit(trained, sequences, seed=1)[0] != losses
    assert fit(trained, sequences, shuffle=False)[0] != losses


def test_fewer_steps_in_an_epoch_go_on_through_the_data(trained, sequences):
    losses, _ = fit(trained, sequences, parts=((0, 6),), steps_per_epoch=1)
    in_parts, _ = fit(trained, sequences, parts=((0, 2), (2, 6)), steps_per_epoch=1)
    assert in_parts == losses
    whole, _ = fit(trained, sequences, parts=((0, 2),))
    assert np.reshape(losses, (2, 3)).mean(axis=1) == pytest.approx(whole, rel=1e-6)


def test_split_and_weighted_data_are_those_of_keras(trained, sequences):
    x, y = sequences
    order = dict(shuffle=False, parts=((0, 1),))
    # one batch: the order does not matter
    weights = {"readout": np.linspace(0, 2, 4)}
    for end, options in (
        (8, dict(validation_split=0.5)),
        (4, dict(sample_weight=weights)),
    ):
        data = (x[:end], y[:end])
        _, ours = fit(trained, data, parts=((0, 1),), **options)
        _, keras = fit(trained, data, **order, **options)
        assert ours.keys() == keras.keys()
        for name, values in keras.items():
            assert ours[name] == pytest.approx(values, rel=1e-6)
