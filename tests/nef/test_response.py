from typing import ClassVar

import nengo
import numpy as np
import pytest
from nengo.dists import Choice
from nengo.neurons import NeuronType
from scipy.signal import lfilter

from lmu_nengo import Band, LegendreMemory, Spiking, delay_decoders
from lmu_nengo.nef import Neurons, Response, principle3
from lmu_nengo.nef.measurement import fit_response, settle
from lmu_nengo.nef.stability import loop_poles, safe_response
from lmu_nengo.signal import discretize, nrmse, state_space

DT = 1e-3
SOLVER = nengo.solvers.LstsqL2(reg=2e-3)


def white(seconds, high, rms=0.3, seed=100):
    process = nengo.processes.WhiteSignal(seconds, high=high, rms=rms, y0=0, seed=seed)
    return process.run(seconds, d=1, dt=DT)


def frequency_response(response, hz, dt=DT):
    num, den = response.coefficients(dt)
    p = np.exp(2j * np.pi * np.asarray(hz) * dt) - 1
    return np.polyval(num[::-1], p) / np.polyval(den[::-1], p)


def pairs(n, neuron_type, gain, bias):
    """One population of a single dimension: neurons in either direction."""
    encoders = np.where(np.arange(n) % 2, -1.0, 1.0)[:, None]
    gain, bias = gain * np.ones(n), bias * np.ones(n)
    return Neurons(neuron_type, encoders, gain, bias, np.zeros((1, n)), 1)


class Fading(NeuronType):
    """Answers with its current and twice what a lowpass of 0.2 s leaves of it."""

    state: ClassVar = {"slow": Choice([0])}
    onset, tau = 2.0, 0.2

    def step(self, dt, J, output, slow):
        slow += -np.expm1(-dt / self.tau) * (J - slow)
        output[...] = J + self.onset * (J - slow)


class Tired(NeuronType):
    """Integrate-and-fire neurons that need the more for a spike the more they had."""

    state: ClassVar = {"voltage": nengo.dists.Uniform(0, 1), "fatigue": Choice([0])}
    negative = False
    spiking = True

    def rates(self, x, gain, bias):  # Nengo needs these to build an ensemble
        J = self.current(x, gain, bias)
        return 2 * J / (1 + np.sqrt(1 + 4 * 0.002 * np.maximum(J, 0))) * (J > 0)

    def step(self, dt, J, output, voltage, fatigue):
        voltage += np.maximum(J, 0) * dt / (1 + fatigue)
        n_spikes = np.floor(voltage)
        output[...] = n_spikes / dt
        voltage -= n_spikes
        fatigue += dt / 0.3 * (0.002 * output - fatigue)


def test_coefficients_are_those_of_the_filter():
    response = Response(lead=0.004, onset=0.3, tau=0.05)
    u = white(1.0, 20.0)[:, 0]
    kept = np.exp(-DT / 0.05)
    slow = lfilter([1 - kept], [1, -kept], u)
    slope = np.diff(u, prepend=0) / DT
    num, den = response.coefficients(DT)
    to_z = np.poly1d([1, -1])
    num, den = (np.poly1d(x[::-1])(to_z).coeffs for x in (num, den))
    expected = u + 0.004 * slope + 0.3 * (u - slow)
    assert np.allclose(lfilter(num, den, u), expected, atol=1e-10)
    assert Response().coefficients(DT) == (np.ones(1), np.ones(1))


@pytest.mark.parametrize("response", [Response(0.002, 0.15, 0.8), Response(0, 2.0, 0.2)])
def test_the_response_of_neurons_is_recovered(response):
    neuron_type = Fading()
    neuron_type.onset, neuron_type.tau = response.onset, response.tau
    neurons = pairs(2, neuron_type, gain=50.0, bias=100.0)
    fitted, found = fit_response(neurons, white(20.0, 1.0), DT, SOLVER)
    hz = [0.0, 0.1, 0.3, 1.0]
    wanted = frequency_response(Response(0, response.onset, response.tau), hz)
    assert np.abs(frequency_response(found, hz) / wanted - 1).max() < 0.03
    # a constant state is decoded as it is
    drive = fitted.gain * (0.5 * fitted.encoders[:, 0]) + fitted.bias
    assert fitted.decoders @ drive == pytest.approx(0.5, abs=0.01)


def test_neurons_that_do_not_fade_get_no_onset():
    neurons = pairs(100, nengo.LIFRate(), gain=np.linspace(1, 9, 100), bias=2.0)
    _, found = fit_response(neurons, white(20.0, 1.0), DT, SOLVER)
    assert not found.fades and abs(found.lead) < 1e-4


def test_adaptation_is_that_of_the_linearized_neuron():
    # n' = (inc_n r(J - n) - n) / tau_n: r rises by slope dJ at first, and in the end by
    # slope / (1 + slope inc_n) dJ; the time constant is tau_n / (1 + slope inc_n)
    neuron_type = nengo.AdaptiveLIFRate(tau_n=0.5, inc_n=0.02)
    neurons = pairs(2, neuron_type, gain=3.0, bias=8.0)
    adaptation = settle(neurons, DT)["adaptation"]
    currents = 8.0 - adaptation[0] + np.array([-0.01, 0.01])
    rates = nengo.LIFRate().rates(currents, 1.0, 0.0).ravel()
    assert adaptation == pytest.approx(0.02 * rates.mean(), rel=0.01)
    onset = 0.02 * np.diff(rates)[0] / 0.02
    _, found = fit_response(neurons, 0.3 * white(20.0, 1.0), DT, SOLVER)
    hz = [0.05, 0.2, 0.5, 1.0]
    wanted = frequency_response(Response(0.0, onset, 0.5 / (1 + onset)), hz)
    assert 0.2 < onset < 0.8
    assert np.abs(frequency_response(found, hz) / wanted - 1).max() < 0.03
    assert 1 / (1 + found.onset) == pytest.approx(1 / (1 + onset), rel=0.05)


def test_mapping_for_a_response_is_exact():
    # the loop in NumPy: x = F (A' H x) + input filter
    response = Response(lead=0.003, onset=0.4, tau=0.3)
    Ad, Bd = discretize(*state_space(1.0, 6), DT)
    mapping = principle3(Ad, Bd, 0.1, DT, response)
    assert mapping.input_transform is None
    process = mapping.input_filter()
    state = process.make_state((1,), (6,), DT, np.float64)
    step = process.make_step((1,), (6,), DT, None, state)
    u = white(2.0, 5.0)
    kept, fading = np.exp(-DT / 0.1), np.exp(-DT / 0.3)
    x, last, slow, synapse, wanted = np.zeros((5, 6))
    errors = []
    for value in u:
        slow = fading * slow + (1 - fading) * x
        decoded = x + 0.003 * (x - last) / DT + 0.4 * (x - slow)
        synapse = kept * synapse + (1 - kept) * mapping.recurrent @ decoded
        last = x
        # the synapse's and the filter's outputs are one step late
        x = synapse + (step(0, value), state["chain"][0].copy())[1]
        wanted = Ad @ wanted + Bd @ value
        errors.append(np.abs(x - wanted).max())
    assert max(errors) < 1e-9
    assert np.abs(loop_poles(mapping)).max() < 1


def test_a_response_is_mapped_for_only_where_it_is_safe():
    small, large = Response(0.001, 0.13, 0.75), Response(0.04)
    Ad = [discretize(*state_space(theta, 6), DT)[0] for theta in (0.1, 1.0, 10.0)]
    assert safe_response(small, Ad[1], 0.1, DT) == small
    assert safe_response(Response(), Ad[1], 0.1, DT) == Response()
    # fast memories bear no lead, and slow ones no onset as fast as they are
    assert safe_response(large, Ad[0], 0.1, DT).lead < 0.002
    assert safe_response(small, Ad[2], 0.1, DT).onset < 0.05


@pytest.mark.parametrize(
    "neuron_type, bar",
    [
        (Tired(), 0.05),
        pytest.param(nengo.AdaptiveLIFRate(), 0.05, marks=pytest.mark.slow),
        pytest.param(
            nengo.RegularSpiking(nengo.AdaptiveLIFRate()), 0.05, marks=pytest.mark.slow
        ),
    ],
    ids=["unknown", "adaptive rates", "spikes of adaptive rates"],
)
def test_neurons_of_any_type_hold_a_memory(neuron_type, bar):
    assert delay_error(neuron_type, 600, 6.0, seed=100) < bar


@pytest.mark.slow
def test_neurons_that_adapt_delay_a_signal():
    errors = [delay_error(nengo.AdaptiveLIF(), 1000, 20.0, seed) for seed in range(10)]
    assert np.mean(errors) < 0.05


def delay_error(neuron_type, n_neurons, seconds, seed):
    """NRMSE of a signal one second late, both through the same lowpass."""
    u = white(seconds, 1.0, seed=seed)
    with nengo.Network(seed=seed) as network:
        source = nengo.Node(nengo.processes.PresentInput(u, DT))
        how = Spiking(n_neurons, neuron_type, expected_input=Band(1.0, 0.3))
        memory = LegendreMemory(1.0, 6, realization=how)
        nengo.Connection(source, memory.input, synapse=None)
        probe = nengo.Probe(memory.output)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(len(u))
    late = np.concatenate([np.zeros((1000, 1)), u[:-1000]])
    output = sim.data[probe] @ delay_decoders(6, 1.0).T
    return nrmse(*(nengo.Lowpass(0.1).filt(y, dt=DT, y0=0) for y in (output, late)))
