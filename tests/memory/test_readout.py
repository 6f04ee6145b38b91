import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Band, LegendreMemory, Spiking, delay_decoders
from lmu_nengo.memory import LearnedReadout, WindowFunction
from lmu_nengo.signal import nrmse, reconstruct_window

BAND = Band(1.0, 0.3)


def run_readout(
    function, points, n_neurons=500, seconds=5.0, seed=100, memory_d=1, **kwargs
):
    """Read-out, coefficients and input over time; a memory of 1 s and order 6, 1 Hz."""
    with nengo.Network(seed=seed) as network:
        memory = LegendreMemory(1.0, 6, memory_d=memory_d)
        for c in range(memory_d):
            process = nengo.processes.WhiteSignal(10.0, 1.0, rms=0.3, y0=0, seed=seed + c)
            nengo.Connection(nengo.Node(process), memory.input[c], synapse=None)
        readout = WindowFunction(
            memory, function, points, n_neurons, **{"expected_input": BAND, **kwargs}
        )
        probes = [nengo.Probe(n) for n in (readout.output, memory.output, memory.input)]
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(seconds)
    return [sim.data[probe] for probe in probes]


def error(function, points, tau=0.1, **kwargs):
    """NRMSE of a read-out of one channel, both through the same filter."""
    output, m, u = run_readout(function, points, **kwargs)
    windows = reconstruct_window(m, points)
    windows[:, np.equal(points, 0)] = u
    target = np.array([np.ravel(function(window[None])) for window in windows])
    return nrmse(*(nengo.Lowpass(tau).filt(x, dt=0.001, y0=0) for x in (output, target)))


def product(window):
    return window[0, 0] * window[0, 1]


def energy(window):
    return np.mean(window**2)


POINTS = np.linspace(0.05, 1, 20)


@pytest.mark.parametrize(
    "function", [lambda w: w.max(), lambda w: [w[0, 0] * w[1, 2], abs(w[1, 1])]]
)
def test_without_neurons_noise_it_is_the_function_of_the_reconstructed_window(function):
    points = [0.2, 0.5, 1.0]
    output, m, _ = run_readout(
        function, points, seconds=1.0, memory_d=2, neuron_type=nengo.Direct()
    )
    windows = reconstruct_window(m.reshape(-1, 2, 6), points)
    target = [np.ravel(function(window)) for window in windows]
    assert np.ptp(target) > 0.01
    assert np.allclose(output, target, atol=1e-12)


def test_point_zero_is_the_present_input():
    output, m, u = run_readout(product, [0.0, 1.0], seconds=1.5, neuron_type=nengo.Direct())
    expected = u * reconstruct_window(m, [1.0])
    assert np.allclose(output, expected, atol=1e-12)
    assert np.abs(output - np.prod(reconstruct_window(m, [0.0, 1.0]), axis=1)).max() > 1e-4


def test_channels_are_chosen_in_order():
    output, m, _ = run_readout(
        lambda w: w[:, 0],
        [0.7],
        seconds=0.5,
        memory_d=3,
        channels=[2, 0],
        neuron_type=nengo.Direct(),
    )
    windows = reconstruct_window(m.reshape(-1, 3, 6), [0.7])
    assert np.allclose(output, windows[:, [2, 0], 0], atol=1e-12)


@pytest.mark.parametrize("neuron_type", [nengo.LIF(), nengo.SpikingRectifiedLinear()])
@pytest.mark.parametrize(
    "function, points, bar",
    [
        (product, [0.0, 1.0], 0.03),
        (energy, POINTS, 0.02),
        (lambda w: abs(w[0, 0] - w[0, 1]), [0.3, 1.0], 0.06),
        (lambda w: w.max(), POINTS, 0.2),
    ],
    ids=["product", "energy", "difference", "maximum"],
)
def test_functions_of_the_window_in_500_neurons(function, points, bar, neuron_type):
    assert error(function, points, neuron_type=neuron_type) < bar


def test_product_is_as_good_as_nengos_own():
    # whose best input magnitude for Gaussian values is the range over the root of 2
    u = nengo.processes.WhiteSignal(10.0, 1.0, rms=0.3, y0=0, seed=100)
    with nengo.Network(seed=100) as network:
        memory = LegendreMemory(1.0, 6)
        nengo.Connection(nengo.Node(u), memory.input, synapse=None)
        own = nengo.networks.Product(500, 1, input_magnitude=3.5 * 0.3 / np.sqrt(2))
        late = nengo.Node(size_in=1)
        nengo.Connection(
            memory.output, late, transform=delay_decoders(6, 1.0), synapse=None
        )
        nengo.Connection(memory.input, own.input_a, synapse=None)
        nengo.Connection(late, own.input_b, synapse=None)
        probes = [nengo.Probe(node, synapse=0.1) for node in (own.output,)]
        exact = nengo.Node(lambda t, x: x[0] * x[1], size_in=2)
        nengo.Connection(memory.input, exact[0], synapse=None)
        nengo.Connection(late, exact[1], synapse=None)
        probes.append(nengo.Probe(exact, synapse=0.1))
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(5.0)
    assert error(product, [0.0, 1.0]) < nrmse(*(sim.data[p] for p in probes))


def test_error_falls_with_the_number_of_neurons():
    few, many = (error(energy, POINTS, n_neurons=n) for n in (50, 800))
    assert many < few / 3


def test_quadratic_functions_turn_all_encoders_to_squares():
    # a b = ((a + b)^2 - (a - b)^2) / 4
    def encoders(function):
        memory = LegendreMemory(1.0, 12, add_to_container=False)
        readout = WindowFunction(
            memory, function, [0.0, 1.0], 40, expected_input=BAND, add_to_container=False
        )
        values = readout.ensemble.encoders / np.linalg.norm(readout.ensemble.encoders)
        return np.unique(np.round(np.abs(values), 6), axis=0)

    assert len(encoders(product)) <= 2
    assert len(encoders(lambda w: w.max())) > 10


def test_product_of_two_channels():
    output, m, _ = run_readout(lambda w: w[0, 0] * w[1, 0], [0.5], memory_d=2)
    target = np.prod(reconstruct_window(m.reshape(-1, 2, 6), [0.5]), axis=1)
    smooth = nengo.Lowpass(0.1)
    assert nrmse(*(smooth.filt(x, dt=0.001, y0=0) for x in (output, target))) < 0.04


def test_the_expected_input_may_be_a_signal():
    process = nengo.processes.WhiteSignal(30.0, 1.0, rms=0.3, y0=0, seed=150)
    assert error(product, [0.0, 1.0], expected_input=process) < 0.03


def learn(realization, seconds, seed=100):
    """Errors at first and after learning of a delay of 0.5 s; 2 Hz, rms 0.3."""
    process = nengo.processes.WhiteSignal(100.0, 2.0, rms=0.3, y0=0, seed=seed)
    u = process.run(seconds, dt=0.001)
    late = np.concatenate([np.zeros((500, 1)), u[:-500]])
    expected = Band(2.0, 0.3)
    with nengo.Network(seed=seed) as network:
        signal, target = (
            nengo.Node(nengo.processes.PresentInput(x, 0.001)) for x in (u, late)
        )
        memory = LegendreMemory(1.0, 9, realization=realization)
        nengo.Connection(signal, memory.input, synapse=None)
        readout = LearnedReadout(memory, 500, expected_input=expected)
        nengo.Connection(readout.output, readout.error, synapse=None)
        nengo.Connection(target, readout.error, transform=-1, synapse=None)
        nengo.Connection(nengo.Node(lambda t: t > seconds - 5), readout.stop, synapse=None)
        probe = nengo.Probe(readout.output)
        (learned,) = (c for c in network.all_connections if c.learning_rule is not None)
        weights = nengo.Probe(learned, "weights", sample_every=1.0)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(seconds)
    output, weights = sim.data[probe], sim.data[weights]
    assert not output[0].any() and not weights[0].all()
    assert np.array_equal(weights[-1], weights[-4])  # it has stopped
    assert not np.array_equal(weights[5], weights[6])
    return nrmse(output[:1000], late[:1000]), nrmse(output[-5000:], late[-5000:])


def test_a_delay_is_learned_online():
    first, last = learn(None, seconds=40.0)
    assert last < min(0.2, first / 2)


@pytest.mark.slow
@pytest.mark.parametrize("neuron_type", [nengo.LIF(), nengo.SpikingRectifiedLinear()])
def test_a_spiking_memory_is_learned_from_too(neuron_type):
    realization = Spiking(1000, neuron_type, expected_input=Band(2.0, 0.3))
    first, last = learn(realization, seconds=60.0)
    assert last < min(0.2, first / 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "neuron_type, n_neurons, theta, order, settings, bar",
    [
        (
            nengo.LIF(),
            600,
            0.1,
            11,
            dict(state_d=9, intercepts=nengo.dists.Uniform(-2, 1)),
            0.22,
        ),
        (  # a held input is half a step early; LIF neurons make some of it good
            nengo.SpikingRectifiedLinear(),
            700,
            0.1005,
            12,
            dict(state_d=10, margin=0.75, intercepts=nengo.dists.Uniform(-3, 0)),
            0.12,
        ),
    ],
)
def test_product_with_the_input_of_a_tenth_of_a_second_ago(
    neuron_type, n_neurons, theta, order, settings, bar
):
    # 30 Hz, 1,000 spiking neurons in all
    expected = Band(30.0, 0.3)
    u = nengo.processes.WhiteSignal(20.0, 30.0, rms=0.3, y0=0, seed=100).run(20.0, dt=0.001)
    with nengo.Network(seed=100) as network:
        signal = nengo.Node(nengo.processes.PresentInput(u, 0.001))
        realization = Spiking(
            n_neurons,
            neuron_type,
            synapse=0.05,
            expected_input=expected,
            points=[1.0],
            **settings,
        )
        memory = LegendreMemory(theta, order, realization=realization)
        nengo.Connection(signal, memory.input, synapse=None)
        readout = WindowFunction(
            memory,
            product,
            [0.0, 1.0],
            1000 - n_neurons,
            expected_input=expected,
            neuron_type=neuron_type,
        )
        probe = nengo.Probe(readout.output, synapse=0.1)
    assert sum(ens.n_neurons for ens in network.all_ensembles) == 1000
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run(20.0)
    target = u * np.concatenate([np.zeros((100, 1)), u[:-100]])
    target = nengo.Lowpass(0.1).filt(target, dt=0.001, y0=0)
    assert nrmse(sim.data[probe], target) < bar


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(memory="m"), "must be a LegendreMemory .* got 'm'"),
        (dict(n_neurons=0), "must be an integer of at least 1, got 0"),
        (dict(points=[]), "must be finite numbers, at least one, got"),
        (dict(points=[0.5, 1.5]), r"must be delay / theta in \[0, 1\], got 1.5"),
        (dict(channels=[2]), r"must be a list of some of 0 to 1, got \[2\]"),
        (dict(channels=[]), r"must be a list of some of 0 to 1, got \[\]"),
        (dict(components=5), "must be at most the number of values, 4, got 5"),
        (dict(components=0), "must be an integer of at least 1, got 0"),
        (dict(function=3), r"fails for a window of shape .* = \(2, 2\): TypeError"),
        (dict(function=lambda w: w[5, 0]), r"fails for a window of shape .* = \(2, 2\)"),
        (dict(function=lambda w: 1 / w[0, 0]), "must return a finite number"),
        (dict(function=lambda w: w), "must return a finite number, or a vector"),
        (dict(function=lambda w: []), "must return a finite number, or a vector"),
        (
            dict(function=lambda w: w[0][w[0] >= 0]),
            "as many finite numbers for every",
        ),
        (dict(expected_input="noise"), "must be Band"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    memory = LegendreMemory(1.0, 6, memory_d=2, add_to_container=False)
    good = dict(memory=memory, function=np.max, points=[0.5, 1.0], n_neurons=10)
    with pytest.raises(ValidationError, match=message):
        WindowFunction(**{**good, **arguments}, add_to_container=False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(memory=None), "must be a LegendreMemory .* got None"),
        (dict(n_neurons=1.5), "must be an integer of at least 1, got 1.5"),
        (dict(size_out=0), "must be an integer of at least 1, got 0"),
        (dict(learning_rate=0), "positive and finite .1.s., got 0"),
        (dict(components=7), "must be at most the number of values, 6, got 7"),
    ],
)
def test_bad_arguments_of_a_learned_readout_are_refused(arguments, message):
    memory = LegendreMemory(1.0, 6, add_to_container=False)
    with pytest.raises(ValidationError, match=message):
        LearnedReadout(**{"memory": memory, "n_neurons": 10, **arguments})


def test_a_function_may_change_its_argument():
    def median(window):
        window.sort()
        return window[0, 1]

    output, m, _ = run_readout(
        median, [0.2, 0.5, 1.0], seconds=0.5, neuron_type=nengo.Direct()
    )
    target = np.median(reconstruct_window(m, [0.2, 0.5, 1.0]), axis=1)
    assert np.allclose(output[:, 0], target, atol=1e-12)
