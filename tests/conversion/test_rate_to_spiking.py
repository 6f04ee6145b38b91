import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import (
    LegendreMemory,
    Linear,
    LMUCell,
    Spiking,
    Windowed,
    calibrate,
    to_spiking,
)
from lmu_nengo.conversion import scale_for
from lmu_nengo.signal import nrmse


def layer(neuron_type, n=8, gain=None):
    with nengo.Network(seed=0) as network:
        source = nengo.Node(np.linspace(-1, 2, n))
        ensemble = nengo.Ensemble(
            n,
            1,
            neuron_type=neuron_type,
            gain=np.full(n, 1.5) if gain is None else gain,
            bias=np.linspace(0, 1, n),
        )
        nengo.Connection(source, ensemble.neurons, synapse=None)
        probe = nengo.Probe(ensemble.neurons)
        memory = LegendreMemory(0.1, 2, realization=Spiking(20))
    return network, ensemble, probe, memory


def mean_output(network, probe, seconds):
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(seconds)
    return sim.data[probe].mean(axis=0)


@pytest.mark.parametrize("scale", [100, 1000])
def test_mean_spiking_output_equals_the_rate_whatever_the_scale(scale):
    network, ensemble, probe, memory = layer(nengo.RectifiedLinear())
    rates = mean_output(network, probe, 0.01)
    inside = [ens.neuron_type for ens in memory.all_ensembles]
    to_spiking(network, scale)
    assert isinstance(ensemble.neuron_type, nengo.SpikingRectifiedLinear)
    assert [ens.neuron_type for ens in memory.all_ensembles] == inside
    # over T seconds an integrate-and-fire neuron is off by one spike at most
    assert np.abs(mean_output(network, probe, 2.0) - rates).max() <= 1 / (scale * 2.0)


def test_rates_scale():
    network, _, probe, _ = layer(nengo.RectifiedLinear())
    rates = mean_output(network, probe, 0.01)
    to_spiking(network, 500)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(1.0)
    spikes = (sim.data[probe] * 0.001 * 500).sum(axis=0)
    assert np.abs(spikes - 500 * rates).max() <= 1


@pytest.mark.parametrize("scale", [0.5, 1, 2])
def test_lif_rate_becomes_lif(scale):
    kind = nengo.LIFRate(tau_rc=0.03, tau_ref=0.002, amplitude=0.5)
    network, ensemble, probe, _ = layer(kind)
    rates = mean_output(network, probe, 0.01)
    to_spiking(network, scale)
    expected = nengo.LIF(0.03 / scale, 0.002 / scale, amplitude=0.5 / scale)
    assert ensemble.neuron_type == expected
    spikes = mean_output(network, probe, 4.0)
    # off by a spike in four seconds, and by the steps that round its intervals
    assert np.abs(spikes - rates).max() <= 0.5 / scale / 4.0 + 0.01 * rates.max()


@pytest.mark.parametrize("kind", [nengo.Sigmoid, nengo.Tanh])
@pytest.mark.parametrize("tau_ref, scale", [(0.01, 1), (1, 500), (1, 5000)])
def test_bounded_rates_become_regular_spikes_with_their_sign(kind, tau_ref, scale):
    network, _, probe, _ = layer(kind(tau_ref=tau_ref))
    rates = mean_output(network, probe, 0.01)
    assert rates.min() < 0 or kind is nengo.Sigmoid
    to_spiking(network, scale)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(2.0)
    assert np.abs(sim.data[probe].mean(axis=0) - rates).max() <= 1 / (scale * 2.0)
    spikes = sim.data[probe] * 0.001 * scale
    assert np.allclose(spikes, np.rint(spikes), atol=1e-9)


def two_layers():
    with nengo.Network(seed=0) as network:
        source = nengo.Node([1.0])
        layers = []
        for label in ("first", "second", "spiking"):
            kind = nengo.SpikingRectifiedLinear if label == "spiking" else None
            layers.append(
                nengo.Ensemble(
                    3,
                    1,
                    neuron_type=(kind or nengo.RectifiedLinear)(),
                    gain=np.ones(3),
                    bias=np.zeros(3),
                    label=label,
                )
            )
        first, second, spiking = layers
        nengo.Connection(source, first.neurons, transform=np.ones((3, 1)), synapse=None)
        nengo.Connection(first.neurons, second.neurons, synapse=None)
        nengo.Connection(second.neurons, spiking.neurons, synapse=0.02)
        nengo.Connection(spiking.neurons, nengo.Node(size_in=3), synapse=None)
        memory = LegendreMemory(0.1, 2)
        nengo.Connection(first.neurons[0], memory.input, synapse=None)
    return network, memory, layers


def test_each_ensemble_can_have_its_scale_and_spiking_ones_stay():
    network, _, (first, second, spiking) = two_layers()
    to_spiking(network, {second: 50})
    assert [ens.gain[0] for ens in (first, second, spiking)] == [1, 50, 1]
    assert second.neuron_type.amplitude == 1 / 50
    assert spiking.neuron_type == nengo.SpikingRectifiedLinear()


def test_a_synapse_is_put_behind_converted_neurons_where_there_is_none():
    network, memory, _ = two_layers()
    to_spiking(network, synapse=0.005)
    to_first, to_second, to_spiking_, behind, to_memory = network.connections
    assert to_second.synapse == to_memory.synapse == nengo.Lowpass(0.005)
    assert to_first.synapse is None and behind.synapse is None
    assert to_spiking_.synapse == nengo.Lowpass(0.02)
    assert {conn.synapse for conn in memory.connections} == {None, nengo.Lowpass(0)}


def test_connections_can_have_synapses_of_their_own():
    network, _, _ = two_layers()
    _, to_second, to_spiking_, _, to_memory = network.connections
    to_spiking(network, synapse={to_second: nengo.Alpha(0.01), to_spiking_: 0.05})
    assert to_second.synapse == nengo.Alpha(0.01)
    assert to_spiking_.synapse == nengo.Lowpass(0.05)
    assert to_memory.synapse is None


def test_memories_are_realized_in_neurons_on_request():
    network, memory, (first, _, _) = two_layers()
    to_spiking(network, memories=Spiking(20))
    assert memory.realization == Spiking(20)
    assert sum(ens.n_neurons for ens in memory.all_ensembles) == 20
    assert first.neuron_type.spiking


def test_nothing_is_changed_if_an_argument_does_not_fit():
    network, memory, layers = two_layers()
    first, second, spiking = layers
    to_first = network.connections[0]
    for arguments, message in (
        ({"scale": {spiking: 2.0}}, "a rate ensemble of the network"),
        ({"scale": {first: 10, second: -1}}, "must be positive"),
        ({"synapse": {to_first: 0.01}}, "a connection from the rate neurons"),
        ({"synapse": "slow"}, "synapse"),
        ({"memories": Spiking(1)}, "n_neurons"),
        ({"memories": 1000}, "must be Linear"),
    ):
        with pytest.raises(ValidationError, match=message):
            to_spiking(network, **arguments)
        assert first.neuron_type == second.neuron_type == nengo.RectifiedLinear()
        assert np.all(first.gain == 1)
        assert [c.synapse for c in network.connections[:2]] == [None, None]
        assert memory.realization == Linear()


def cell_network(kind, feedback):
    rng = np.random.RandomState(1)
    with nengo.Network(seed=0) as network:
        process = nengo.processes.WhiteSignal(0.5, 10, rms=0.5, seed=1)
        cell = LMUCell(
            1,
            memory_d=1,
            theta=0.05,
            order=4,
            hidden_d=6,
            hidden_type=kind,
            bias=0.3 * rng.randn(6),
            hidden_kernel=0.2 * rng.randn(6, 6) if feedback else None,
            hidden_encoders=0.2 * rng.randn(1, 6) if feedback else None,
            realization=Windowed(200),
        )
        nengo.Connection(nengo.Node(process), cell.input, synapse=None)
        probe = nengo.Probe(cell.output)
    return network, cell, probe


@pytest.mark.parametrize("kind", [nengo.RectifiedLinear(), nengo.Tanh(tau_ref=1)])
@pytest.mark.parametrize("feedback", [False, True])
@pytest.mark.parametrize("windowed", [False, True])
def test_a_cells_hidden_neurons_spike_and_its_weights_stay(kind, feedback, windowed):
    network, cell, probe = cell_network(kind, feedback)
    weights = cell.weights
    scale = 1e6  # a thousand spikes a step and unit: a step is exact to 0.001
    if windowed:  # memory and cell are swapped afterwards
        to_spiking(network, scale)
        cell.realize(Linear())
    else:
        cell.realize(Linear())
        to_spiking(network, scale)
    assert cell.hidden.neuron_type.spiking and cell.hidden_type.spiking
    for name, value in cell.weights.items():
        assert value == pytest.approx(weights[name], rel=1e-12)
    outputs = []
    for net, p in ((network, probe), cell_network(kind, feedback)[::2]):
        net.networks[0].realize(Linear())
        with nengo.Simulator(net, progress_bar=False) as sim:
            sim.run(0.2)
        outputs.append(sim.data[p])
    assert np.abs(outputs[1]).max() > 0.3
    assert np.abs(outputs[0] - outputs[1]).max() < 0.003


def test_the_step_of_a_windowed_cell_limits_the_scale():
    with nengo.Network():
        cell = LMUCell(
            1,
            memory_d=1,
            theta=0.5,
            order=4,
            hidden_d=6,
            hidden_type=nengo.LIFRate(tau_ref=0.02),
            hidden_encoders=np.ones((1, 6)),
            dt=0.01,
            realization=Windowed(50),
        )
    to_spiking(cell, scale=2)
    cell.hidden.neuron_type = nengo.LIFRate(tau_ref=0.02)
    with pytest.raises(ValidationError, match="at most tau_ref / dt = 2.*got 5"):
        to_spiking(cell, scale=5)


def test_a_cells_synapse_is_behind_its_neurons():
    network, cell, _ = cell_network(nengo.RectifiedLinear(), True)
    to_spiking(network, synapse=0.01, memories=Spiking(40))
    assert cell.activity.synapse == nengo.Lowpass(0.01)
    assert cell.realization == Spiking(40)
    assert [conn.synapse for conn in cell.connections].count(nengo.Lowpass(0.01)) == 1


def test_a_cell_whose_function_is_not_a_neurons_is_refused():
    network, _, _ = cell_network(abs, False)
    with pytest.raises(ValidationError, match="hidden_type=nengo.RectifiedLinear"):
        to_spiking(network)


def test_scale_brings_the_high_rates_to_the_target():
    rates = np.arange(101.0) / 100  # Hz
    assert scale_for(rates, 50, quantile=1) == 50
    assert scale_for(rates.reshape(1, 101), 50, quantile=0.5) == 100
    assert scale_for(-rates, 200, quantile=0.8) == pytest.approx(250)
    with pytest.raises(ValidationError, match="quantile must be positive, got 0"):
        scale_for(np.zeros(5), 50)
    with pytest.raises(ValidationError, match="at most 1"):
        scale_for(rates, 50, quantile=99)


@pytest.mark.parametrize(
    "neuron_type, scale, gain, message",
    [
        (nengo.AdaptiveLIFRate(), 1, None, "must be RectifiedLinear.*RegularSpiking"),
        (nengo.LIFRate(), 10, None, "at most tau_ref / dt = 2.*got 10"),
        (nengo.RectifiedLinear(), 0, None, "must be positive"),
        (nengo.RectifiedLinear(), 1, nengo.dists.Choice([1]), "freeze_params"),
    ],
)
def test_what_cannot_spike_is_refused_and_nothing_changed(
    neuron_type, scale, gain, message
):
    network, ensemble, _, _ = layer(neuron_type, gain=gain)
    with pytest.raises(ValidationError, match=message):
        to_spiking(network, scale)
    assert ensemble.neuron_type == neuron_type


def held(hold, realization=None, feedback=False):
    """A network with a memory, a hidden layer and noise for its input."""
    x = np.random.RandomState(0).randn(1, 30, 2)
    with nengo.Network(seed=0) as network:
        u = nengo.Node(nengo.processes.PresentInput(x[0], 0.001 * hold))
        cell = LMUCell(
            2,
            memory_d=2,
            theta=0.02,
            order=4,
            hidden_d=10,
            hidden_type=nengo.RectifiedLinear(),
            input_encoders=np.eye(2),
            hidden_encoders=np.ones((2, 10)) if feedback else None,
        )
        nengo.Connection(u, cell.input, synapse=None)
        network.state = nengo.Probe(cell.memory.output)
    calibrate(network, {u: x})
    return network, cell.memory


def test_a_held_value_leaves_the_state_that_one_step_left():
    states = []
    for hold in (1, 7):
        network, memory = held(hold)
        to_spiking(network, hold=hold)
        assert memory.theta == pytest.approx(hold * 0.02)
        assert memory.expected_input.data.shape == (1, 30 * hold, 2)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(30 * hold)
        states.append(sim.data[network.state][hold - 1 :: hold])
    assert np.allclose(*states, atol=1e-9)


def test_holding_and_spiking_memories_are_one_call():
    network, memory = held(10)
    to_spiking(network, memories=Spiking(400, nengo.SpikingRectifiedLinear()), hold=10)
    assert memory.realization.is_spiking
    assert all(ens.neuron_type.spiking for ens in network.all_ensembles)
    exact, _ = held(1)
    data = []
    for net, n_steps in ((network, 300), (exact, 30)):
        with nengo.Simulator(net, progress_bar=False) as sim:
            sim.run_steps(n_steps)
        data.append(sim.data[net.state])
    assert nrmse(data[0][9::10], data[1]) < 0.3


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(hold=0), "hold"),
        (dict(hold=2, memories=Spiking(3)), "n_neurons"),
        (dict(hold=2, feedback=True), "feed back"),
    ],
)
def test_a_refused_hold_changes_nothing(options, message):
    network, memory = held(1, feedback=options.pop("feedback", False))
    before = memory.realization
    with pytest.raises(ValidationError, match=message):
        to_spiking(network, **options)
    assert (memory.theta, memory.realization) == (0.02, before)
    assert memory.expected_input.data.shape == (1, 30, 2)
    assert not any(ens.neuron_type.spiking for ens in network.all_ensembles)


def test_only_memories_can_be_held():
    with nengo.Network() as network:
        nengo.Node([0])
    with pytest.raises(ValidationError, match="no LegendreMemory"):
        to_spiking(network, hold=2)
