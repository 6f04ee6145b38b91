import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError
from sklearn.linear_model import Ridge

from lmu_nengo import (
    LegendreMemory,
    Linear,
    LMUCell,
    Spiking,
    Windowed,
    fit_readout,
    targets,
)
from lmu_nengo.layers import Readout
from lmu_nengo.signal import nrmse, pad_front, simulate

SRL = nengo.SpikingRectifiedLinear()


def noise(n=12, n_steps=300, size=1, seed=0, tau=0.01):
    rng = np.random.RandomState(seed)
    smooth = nengo.Lowpass(tau)
    return np.array([smooth.filt(rng.randn(n_steps, size), dt=0.001) for _ in range(n)])


@pytest.mark.parametrize(
    "realization", [Linear(), Windowed(300)], ids=["linear", "windowed"]
)
def test_weights_that_answers_were_made_with_are_found(realization):
    x, weights = noise(size=2), np.random.RandomState(1).randn(3, 8)
    with nengo.Network():
        memory = LegendreMemory(0.1, 4, memory_d=2, realization=realization)
        Ad, Bd = memory.discrete()
        m = [np.hstack([simulate(Ad, Bd, u[:, [c]]) for c in range(2)]) for u in x]
        y = np.array(m) @ weights.T + [1, 2, 3]
        each_step = fit_readout(memory, x, y)
        last_step = fit_readout(memory, x, y[:, -1])
    for readout in (each_step, last_step):
        assert np.allclose(readout.weights, weights, atol=1e-4)
        assert np.allclose(readout.bias, [1, 2, 3], atol=1e-5)


def test_padding_counts_neither_as_input_nor_as_data():
    lengths = (50, 80, 120, 200)
    x = [each[:n] for each, n in zip(noise(4), lengths, strict=True)]
    with nengo.Network():
        memory = LegendreMemory(0.05, 3)
        m = [simulate(*memory.discrete(), u) for u in x]
        y = [np.roll(u, 20) for u in x]
        readout = fit_readout(memory, x, y, skip=10, alphas=[0.1])
    rows, answers = (np.concatenate([part[10:] for part in parts]) for parts in (m, y))
    spread = np.sqrt(rows.var(axis=0).mean())
    expected = Ridge(0.1 * len(rows)).fit(rows / spread, answers).coef_ / spread
    assert np.allclose(readout.weights, expected)


def test_a_cell_in_a_network_is_read_and_the_network_then_gives_the_answers():
    x = noise(n=30, n_steps=60)
    y = np.abs(x[:, -20:].sum(axis=1))
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0])
        cell = LMUCell(
            1, memory_d=1, theta=0.05, order=4, hidden_d=40, hidden_type=nengo.Tanh(1)
        )
        nengo.Connection(u, cell.input, synapse=None)
        readout = fit_readout(network, {u: x}, y, source=cell)
        probe = nengo.Probe(readout.output)
        activity = nengo.Probe(cell.output)
    outputs, states = [], []
    for each in x:
        u.output = lambda t, each=each: each[round(t / 0.001) - 1]
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(60)
        outputs.append(sim.data[probe][-1])
        states.append(sim.data[activity][-1])
    states = np.array(states)
    spread = np.sqrt(states.var(axis=0).mean())
    model = Ridge(readout.alpha * 30).fit((states - states.mean(axis=0)) / spread, y)
    assert np.allclose(readout.weights * spread, model.coef_, atol=1e-4)
    expected = model.predict((states - states.mean(axis=0)) / spread)
    assert np.allclose(outputs, np.reshape(expected, (30, 1)), atol=1e-4)


def test_a_readout_fitted_to_spikes_is_better_on_spikes():
    x = noise(n=10, n_steps=1000, tau=0.1)
    y = np.roll(x, 50, axis=1)
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0])
        memory = LegendreMemory(0.1, 6)
        nengo.Connection(u, memory.input, synapse=None)
        exact = fit_readout(network, {u: x[:8]}, y[:8], skip=100)
        memory.realize(Spiking(30, SRL))
        fitted = fit_readout(network, {u: x[:8]}, y[:8], skip=100)
        probe = nengo.Probe(memory.output)
    with targets.load("jax").Simulator(network, inputs={u: x[8:]}) as sim:
        sim.run(1.0)
    m = sim.data[probe][:, 100:]
    errors = [nrmse(m @ r.weights.T + r.bias, y[8:, 100:]) for r in (exact, fitted)]
    assert errors[1] < 0.9 * errors[0]
    assert fitted.alpha > exact.alpha  # noise has to be regularized


def test_several_last_steps_share_an_answer():
    x, y = noise(n=5, n_steps=50), np.arange(5.0)[:, None]
    with nengo.Network():
        memory = LegendreMemory(0.02, 2)
        readout = fit_readout(memory, x, y, read=3, alphas=[1e-3])
    rows = np.concatenate([simulate(*memory.discrete(), u)[-3:] for u in x])
    spread = np.sqrt(rows.var(axis=0).mean())
    expected = Ridge(1e-3 * 15).fit(rows / spread, np.repeat(y, 3, axis=0))
    assert np.allclose(readout.weights * spread, expected.coef_)


def test_pad_front_keeps_the_ends():
    padded, lengths = pad_front([np.ones((2, 3)), 2 * np.ones((4, 3))], n_steps=5)
    assert padded.shape == (2, 5, 3) and list(lengths) == [2, 4]
    assert padded[:, :, 0].tolist() == [[0, 0, 0, 1, 1], [0, 2, 2, 2, 2]]


@pytest.mark.parametrize(
    "change, attr",
    [
        ({"y": np.zeros((3, 1))}, "y"),
        ({"y": np.zeros((4, 9, 1))}, "n_steps|y"),
        ({"x": np.zeros((4, 20, 2))}, "x"),
        ({"x": [np.zeros((0, 1))]}, "sequences"),
        ({"x": {}}, "x"),
        ({"read": 21}, "read"),
        ({"skip": 20, "y": np.zeros((4, 20, 1))}, "skip"),
        ({"source": 3}, "source"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_added(change, attr):
    arguments = {"x": noise(4, 20), "y": np.zeros((4, 1))} | change
    with nengo.Network() as network:
        memory = LegendreMemory(0.01, 2)
        before = len(network.all_objects)
        with pytest.raises(ValidationError, match=attr):
            fit_readout(memory, **arguments)
    assert len(network.all_objects) == before


def test_a_readout_needs_a_current_network_and_something_to_read():
    with nengo.Network() as network:
        u = nengo.Node([0])
    with pytest.raises(ValidationError, match="current network"):
        fit_readout(network, {u: noise()}, np.zeros((12, 1)))
    with network, pytest.raises(ValidationError, match="source=cell.output"):
        fit_readout(network, {u: noise()}, np.zeros((12, 1)))
    with network, pytest.raises(ValidationError, match=r"must be of shape \(size_out,\)"):
        Readout([[1.0]], [1.0, 2.0])
    with network:
        memory = LegendreMemory(0.1, 2)
    with network, pytest.raises(ValidationError, match="no node `.input`"):
        fit_readout(network, noise(), np.zeros((12, 1)), source=memory)
