"""What a surrounding network configures changes nothing inside of this package's parts."""

import nengo
import numpy as np
import pytest

import lmu_nengo
from lmu_nengo import (
    LSTM,
    EncoderDecoder,
    LegendreMemory,
    LMUCell,
    Parallel,
    Spiking,
    Stack,
    from_keras_lmu,
)
from tests.io.test_keras_models import dense, lmu

X = 0.3 * np.random.RandomState(0).randn(60, 1)
SPIKING = Spiking(60, synapse=0.01)


def configure(network):
    """Change all defaults that Nengo lets a network change."""
    config, dists = network.config, nengo.dists
    for kind, values in {
        nengo.Connection: dict(
            transform=2.0,
            synapse=0.05,
            solver=nengo.solvers.LstsqL2(reg=10.0),
            eval_points=dists.Choice([[0.1]]),
            scale_eval_points=False,
            seed=77,
            label="configured",
        ),
        nengo.Ensemble: dict(
            neuron_type=nengo.Sigmoid(),
            radius=7.0,
            encoders=dists.Choice([[1.0]]),
            max_rates=dists.Choice([33.0]),
            intercepts=dists.Choice([0.3]),
            n_eval_points=13,
            noise=nengo.processes.WhiteNoise(dists.Gaussian(0, 5)),
            normalize_encoders=False,
            seed=5,
        ),
        nengo.Node: dict(seed=4, label="configured"),
        nengo.Probe: dict(synapse=0.2, sample_every=0.01),
    }.items():
        for name, value in values.items():
            setattr(config[kind], name, value)


def cell(**options):
    return LMUCell(1, memory_d=1, theta=0.03, order=4, **{"hidden_d": 5, **options})


def realized():
    memory = LegendreMemory(0.03, 4)
    memory.realize(SPIKING)
    return memory


def spiking_cell():
    part = cell(hidden_type=nengo.RectifiedLinear(), bias=np.ones(5))
    lmu_nengo.to_spiking(part, scale=1000.0, memories=SPIKING)
    return part


PARTS = {
    "memory": lambda: LegendreMemory(0.03, 4, start=True),
    "channels": lambda: Stack([cell(hidden_d=2), LegendreMemory(0.03, 4, memory_d=2)]),
    "spiking": lambda: LegendreMemory(0.03, 4, realization=SPIKING),
    "realized": realized,
    "cell": lambda: cell(hidden_kernel=0.1 * np.eye(5), hidden_type=nengo.Sigmoid(1)),
    "spiking cell": spiking_cell,
    "lstm": lambda: LSTM(1, 4),
    "stack": lambda: Stack([cell(), LSTM(5, 5)], residual=[False, True], dropout=0.1),
    "parallel": lambda: Parallel([LegendreMemory(0.03, 4), cell()]),
    "keras-lmu": lambda: from_keras_lmu([lmu(1, 1), dense(5, 2)]),
    "decoder": lambda: EncoderDecoder(cell(), cell(start=True), n_source=30),
}


@pytest.mark.parametrize("name", PARTS)
def test_outputs_are_the_same(name):
    outputs = []
    for configured in (False, True):
        with nengo.Network(seed=0) as network:
            with nengo.Network() as around:
                if configured:
                    configure(around)
                part = PARTS[name]()
            if part not in around.networks:
                around.networks.append(part)
            source = nengo.processes.PresentInput(X, 0.001)
            if part.input.size_in:
                nengo.Connection(nengo.Node(source), part.input, synapse=None)
            else:
                part.input.output = source
            probe = nengo.Probe(part.output)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(len(X))
        outputs.append(sim.data[probe])
    assert np.abs(outputs[0]).max() > 1e-3
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-12


def test_the_window_view_is_the_same():
    from lmu_nengo.viz import window_view

    views = []
    for configured in (False, True):
        with nengo.Network(seed=0) as network:
            if configured:
                configure(network)
            memory = LegendreMemory(0.03, 4)
            window_view(memory)
        views.append([c for c in network.connections if c.pre_obj is memory.output])
    (plain,), (own,) = views
    assert own.synapse is plain.synapse is None
    assert own.transform == plain.transform and own.label == plain.label
