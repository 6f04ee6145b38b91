import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import LegendreMemory, Spiking, to_spiking


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


def test_lif_rate_becomes_lif():
    kind = nengo.LIFRate(tau_rc=0.03, tau_ref=0.001, amplitude=0.5)
    network, ensemble, _, _ = layer(kind)
    to_spiking(network)
    assert ensemble.neuron_type == nengo.LIF(tau_rc=0.03, tau_ref=0.001, amplitude=0.5)


@pytest.mark.parametrize(
    "neuron_type, scale, gain, message",
    [
        (nengo.Sigmoid(), 1, None, "expected RectifiedLinear"),
        (nengo.LIFRate(), 10, None, "LIFRate with scale=1"),
        (nengo.RectifiedLinear(), 0, None, "above 0"),
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
