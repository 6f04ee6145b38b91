"""Stand-ins for Keras' layers; files of Keras itself are read in test_keras_lmu.py."""

from types import SimpleNamespace

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import LMUCell, Stream, from_keras_lmu
from lmu_nengo.signal import discretize, state_space

ORDER, THETA, STEPS = 4, 9, 25


def weight(path, *shape, seed=0):
    value = 0.3 * np.random.RandomState(seed).randn(*shape)
    return SimpleNamespace(path=path, numpy=lambda: value, value=value)


def layer(kind, weights, **config):
    """An object that looks like a layer of Keras."""
    return type(kind, (), {"weights": weights, "get_config": lambda self: config})()


def lmu(channels, input_d, hidden_d=5, activation="tanh", **kwargs):
    hidden = {"name": "rnn", "units": hidden_d, "activation": activation}
    config = {
        "memory_d": channels,
        "order": ORDER,
        "theta": THETA,
        "hidden_cell": {"class_name": "SimpleRNNCell", "config": hidden},
        "hidden_to_memory": True,
        "memory_to_memory": True,
        "input_to_hidden": True,
        **kwargs,
    }
    n = channels * ORDER
    weights = [
        weight("m/lmu/kernel", input_d + hidden_d, channels, seed=1),
        weight("m/lmu/recurrent_kernel", n, channels, seed=2),
        weight("m/lmu/rnn/kernel", n + input_d, hidden_d, seed=3),
        weight("m/lmu/rnn/recurrent_kernel", hidden_d, hidden_d, seed=4),
        weight("m/lmu/rnn/bias", hidden_d, seed=5),
    ]
    return layer("LMU", weights, **config)


def dense(n_in, n_out, activation="linear"):
    weights = [
        weight("m/dense/kernel", n_in, n_out, seed=6),
        weight("m/dense/bias", n_out, seed=7),
    ]
    return layer("Dense", weights, name="dense", activation=activation)


def expected(x, channels, weights, f):
    """The equations of the 2019 paper, one step after another."""
    kernel, recurrent, hidden, hidden_recurrent, bias = (w.value for w in weights)
    Ad, Bd = discretize(*state_space(THETA * 0.001, ORDER), 0.001)
    m, h, outputs = np.zeros((channels, ORDER)), np.zeros(len(bias)), []
    for now in x:
        u = np.concatenate([now, h]) @ kernel + m.ravel() @ recurrent
        m = m @ Ad.T + u[:, None] @ Bd.T
        h = f(np.concatenate([m.ravel(), now]) @ hidden + h @ hidden_recurrent + bias)
        outputs.append(h)
    return np.array(outputs)


@pytest.mark.parametrize("channels, input_d", [(1, 1), (12, 12), (2, 7)])
@pytest.mark.parametrize("activation", ["tanh", "relu", "linear"])
def test_a_layer_and_the_dense_after_it_give_the_same_outputs(
    channels, input_d, activation
):
    f = {"tanh": np.tanh, "relu": lambda j: np.maximum(j, 0), "linear": lambda j: j}
    layers = [lmu(channels, input_d, activation=activation), dense(5, 3)]
    network = from_keras_lmu(layers)
    x = np.random.RandomState(8).randn(STEPS, input_d)
    with Stream(network, engine="core") as stream:
        y = stream.push(x)
    h = expected(x, channels, layers[0].weights, f[activation])
    weights, bias = (w.value for w in layers[1].weights)
    assert np.abs(h).max() > 0.5
    assert np.abs(y - (h @ weights + bias)).max() < 1e-10


def test_trained_cells_can_be_trained_further():
    network = from_keras_lmu(lmu(2, 3))
    (cell,) = network.layers
    assert isinstance(cell, LMUCell) and "hidden_encoders" in cell.trainable
    assert isinstance(network.probe, nengo.Probe)


@pytest.mark.parametrize(
    "source, message",
    [
        ([dense(3, 2)], r"must contain a layer of keras-lmu, got \['Dense'\]"),
        ([lmu(1, 1), layer("Conv1D", [], name="c")], "Conv1D 'c' has no counterpart"),
        (lmu(1, 1, activation="elu"), "one of tanh, relu, sigmoid and linear, got 'elu'"),
        (layer("LMU", [], name="lmu"), "LMU 'lmu' has no weights yet"),
        (5, "must be the path of a file, a Keras model"),
        ("missing.keras", "cannot read missing.keras"),
    ],
)
def test_what_cannot_be_read_is_named(source, message):
    with pytest.raises(ValidationError, match=message):
        from_keras_lmu(source)


def test_a_softmax_is_left_out_with_a_warning():
    with pytest.warns(UserWarning, match=r"softmax of Dense 'dense' is left out"):
        from_keras_lmu([lmu(1, 1), dense(5, 3, "softmax")])


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"nothing")
    with pytest.raises(ValidationError, match=r"weights\.h5 is damaged or not a file"):
        from_keras_lmu(path)
