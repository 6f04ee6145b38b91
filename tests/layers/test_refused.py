"""A refused constructor leaves its parent, and its layers, as they were."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import (
    LSTM,
    Bidirectional,
    EncoderDecoder,
    LMUCell,
    Parallel,
    Stack,
    Windowed,
)

SIZES = dict(memory_d=1, theta=0.01, order=4, hidden_d=3)


def cell(size_in=2, **kwargs):
    return LMUCell(size_in, **SIZES, **kwargs)


REFUSED = {
    "realization": lambda: cell(realization=3),
    "theta": lambda: LMUCell(2, **{**SIZES, "theta": -1}),
    "weights": lambda: cell(memory_kernel=np.ones((2, 2))),
    "hidden_type": lambda: cell(hidden_type=3),
    "trained theta": lambda: cell(
        trainable=["theta"], realization=Windowed(5, "euler"), seed=0
    ),
    "LSTM weights": lambda: LSTM(2, 3, kernel=np.ones((2, 2))),
    "LSTM realization": lambda: LSTM(2, 3, realization=3),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_layer_adds_nothing_to_its_parent(name):
    with nengo.Network() as network:
        nengo.Node([0])
        with pytest.raises(ValidationError):
            REFUSED[name]()
    assert len(network.all_objects) == 1
    assert network.all_networks == []


BUILDERS = {
    "Stack, sizes": lambda a, b: Stack([a, b]),
    "Stack, residual": lambda a, b: Stack([a], residual=True),
    "Stack, number of residuals": lambda a, b: Stack([a], residual=[True, False]),
    "Stack, dropout": lambda a, b: Stack([a, LSTM(3, 3)], dropout=1.5),
    "Stack, label": lambda a, b: Stack([a, LSTM(3, 3)], label=3),
    "Parallel": lambda a, b: Parallel([a, b]),
    "Bidirectional": lambda a, b: Bidirectional(a, b),
    "EncoderDecoder": lambda a, b: EncoderDecoder(a, b, 5),
    "EncoderDecoder, n_source": lambda a, b: EncoderDecoder(a, cell(start=True), 0),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_refused_container_leaves_its_layers_where_they_are(name):
    with nengo.Network() as network:
        a, b = cell(2), cell(4)
        with pytest.raises(ValidationError):
            BUILDERS[name](a, b)
    assert network.networks[:2] == [a, b]
    assert all(type(net) in (LMUCell, LSTM) for net in network.networks)
