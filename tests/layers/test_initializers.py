import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import LSTM, LMUCell
from lmu_nengo.layers import Glorot


def cell(**kwargs):
    return LMUCell(2, memory_d=1, theta=0.01, order=4, hidden_d=3, **kwargs)


def drawn(make, n=3):
    """Weights of several layers that are not added to the seeded network around."""
    with nengo.Network(seed=1):
        layers = [make(add_to_container=False) for _ in range(n)]
    return [next(iter(layer.weights.values())) for layer in layers]


@pytest.mark.parametrize(
    "make", [cell, lambda **kwargs: LSTM(2, 3, **kwargs)], ids=["cell", "LSTM"]
)
def test_layers_outside_of_their_container_draw_different_weights(make):
    first, second, third = drawn(make)
    assert not np.array_equal(first, second) and not np.array_equal(second, third)
    assert all(map(np.array_equal, drawn(make), [first, second, third]))


def test_a_refused_layer_takes_no_seed():
    with nengo.Network(seed=1):
        with pytest.raises(ValidationError):
            cell(bias=np.ones(7))
        weights = cell().weights
    with nengo.Network(seed=1):
        expected = cell().weights
    assert all(np.array_equal(weights[name], expected[name]) for name in weights)


def test_glorot_weights_have_the_variance_of_the_paper():
    weights = Glorot().sample(200, 300, rng=np.random.RandomState(0))
    assert np.var(weights) == pytest.approx(2 / (200 + 300), rel=0.02)  # equation 12
