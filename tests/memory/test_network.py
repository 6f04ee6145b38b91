import subprocess
import sys

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError
from scipy import signal

from lmu_nengo import LegendreMemory, Linear, Spiking, Windowed, delay_decoders, realize
from lmu_nengo.memory import LearnedReadout, WindowFunction
from lmu_nengo.signal import discretize, nrmse, state_space


def run_memory(u, dt=0.001, **kwargs):
    """Coefficients of a memory fed with ``u``, by core Nengo."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node(nengo.processes.PresentInput(u, dt))
        memory = LegendreMemory(memory_d=u.shape[1], dt=dt, **kwargs)
        nengo.Connection(source, memory.input, synapse=None)
        probe = nengo.Probe(memory.output)
    with nengo.Simulator(network, dt=dt, progress_bar=False) as sim:
        sim.run_steps(len(u))
    return sim.data[probe]


def band_limited(n_steps, high, dt, seed):
    """White noise of rms 0.3 up to ``high`` Hz, zero at the start."""
    process = nengo.processes.WhiteSignal(n_steps * dt, high, rms=0.3, y0=0, seed=seed)
    return process.run(n_steps * dt, dt=dt)


@pytest.mark.parametrize("discretizer", ["zoh", "euler", "bilinear"])
def test_linear_memory_equals_scipys_discrete_simulation(discretizer):
    u = np.random.RandomState(1).randn(300, 3)
    m = run_memory(u, theta=0.1, order=7, realization=Linear(discretizer))
    Ad, Bd = discretize(*state_space(0.1, 7), 0.001, discretizer)
    for c in range(3):
        # dlsim shows the state before the step
        _, _, states = signal.dlsim(
            (Ad, Bd, np.eye(7), np.zeros((7, 1)), 0.001), np.append(u[:, c], 0)
        )
        assert np.allclose(m[:, 7 * c : 7 * c + 7], states[1:], atol=1e-10)


def test_linear_delay_is_within_the_padé_error():
    # order 6, theta x f = 1; a held input is half a step early, which theta makes good
    dt = 0.001
    u = band_limited(20_000, 1.0, dt, seed=5)
    m = run_memory(u, dt, theta=1.0 + dt / 2, order=6)
    delayed = np.concatenate([np.zeros((1000, 1)), u[:-1000]])
    output = m @ delay_decoders(6, 1.0).T
    assert nrmse(output[2000:], delayed[2000:]) < 0.00704


def test_each_point_of_the_window_is_its_own_delay():
    dt = 0.001
    u = band_limited(5000, 1.0, dt, seed=6)
    m = run_memory(u, dt, theta=1.0, order=8)
    for point in (0.25, 0.5, 0.75):
        output = m @ delay_decoders(8, point).T
        steps = round(1000 * point)
        assert nrmse(output[2000:], u[2000 - steps : -steps]) < 0.01


@pytest.mark.parametrize(
    "neuron_type, bar", [(nengo.LIF(), 0.015), (nengo.SpikingRectifiedLinear(), 0.007)]
)
def test_spiking_memory_delays_by_theta(neuron_type, bar):
    # the bar is on the mean of five seeds by which nothing was chosen;
    # 20 s, both through the same 0.1 s filter
    n_steps, theta, seeds = 20_000, 1000, range(5)
    with nengo.Network() as network:
        probes = []
        for seed in seeds:
            process = nengo.processes.WhiteSignal(20.0, 1.0, rms=0.3, y0=0, seed=seed)
            with nengo.Network(seed=seed):
                source = nengo.Node(process)
                memory = LegendreMemory(1.0, 6, realization=Spiking(1000, neuron_type))
                delayed = nengo.Node(size_in=1)
                nengo.Connection(source, memory.input, synapse=None)
                decoders = delay_decoders(6, 1.0)
                nengo.Connection(memory.output, delayed, transform=decoders, synapse=None)
                probes.append([nengo.Probe(n, synapse=0.1) for n in (delayed, source)])
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(n_steps)
    errors = []
    for output, source in probes:
        target = np.concatenate([np.zeros((theta, 1)), sim.data[source][:-theta]])
        errors.append(nrmse(sim.data[output], target))
    assert np.mean(errors) <= bar, errors


def test_spiking_memory_is_exact_without_neurons_noise():
    # Direct mode decodes the identity
    u = np.random.RandomState(2).randn(400, 2) * 0.1
    spiking = run_memory(
        u, theta=0.2, order=5, realization=Spiking(10, nengo.Direct(), synapse=0.03)
    )
    linear = run_memory(u, theta=0.2, order=5)
    assert np.abs(spiking - linear).max() < 1e-12


def test_spiking_memory_has_the_neurons_asked_for():
    memory = LegendreMemory(
        1.0, 6, memory_d=2, realization=Spiking(1003), add_to_container=False
    )
    assert sum(ens.n_neurons for ens in memory.all_ensembles) == 1003
    shares = np.concatenate(
        [(np.array(ens.encoders) != 0).sum(axis=0) for ens in memory.all_ensembles]
    )
    assert shares.sum() == 1003 and len(shares) == 12
    assert shares.min() >= 1003 // 24  # one half is shared equally


def test_realize_leaves_everything_outside_as_it_was():
    with nengo.Network(seed=3) as network:
        source = nengo.Node(lambda t: np.sin(20 * t))
        memory = LegendreMemory(0.1, 4)
        ensemble = nengo.Ensemble(50, 4)
        nengo.Connection(source, memory.input, synapse=None)
        nengo.Connection(memory.output, ensemble)
        probe = nengo.Probe(ensemble, synapse=0.01)
        probe_m = nengo.Probe(memory.output)

    def run():
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run(0.2)
        return sim.data[probe], sim.data[probe_m], dict(sim.model.seeds)

    before = memory.input, memory.output, memory.seed
    first, m_first, seeds = run()
    realize(network, Spiking(400))
    assert sum(ens.n_neurons for ens in memory.all_ensembles) == 400
    _, m_spiking, seeds_spiking = run()
    assert np.abs(m_spiking - m_first).max() > 1e-3  # it really was swapped
    assert seeds_spiking[ensemble] == seeds[ensemble]
    memory.realize(Linear())
    assert (memory.input, memory.output, memory.seed) == before
    assert not memory.all_ensembles
    again, m_again, _ = run()
    assert np.array_equal(first, again) and np.array_equal(m_first, m_again)


def test_realizing_a_network_is_all_or_nothing():
    with nengo.Network() as network:
        small, large = LegendreMemory(0.1, 2), LegendreMemory(0.1, 20)
    with pytest.raises(ValidationError, match="at least 20"):
        realize(network, Spiking(10))
    assert isinstance(small.realization, Linear) and not network.all_ensembles
    assert isinstance(large.realization, Linear)


def test_same_seed_same_spikes():
    u = band_limited(300, 5.0, 0.001, seed=1)
    runs = [run_memory(u, theta=0.1, order=3, realization=Spiking(90)) for _ in "ab"]
    assert np.array_equal(*runs)


def test_a_copied_network_is_independent():
    with nengo.Network(seed=0) as network:
        memory = LegendreMemory(0.1, 4, label="memory")
    copy = network.copy()
    realize(copy, Spiking(40))
    assert isinstance(memory.realization, Linear) and not network.all_ensembles
    assert sum(ens.n_neurons for ens in copy.all_ensembles) == 40


def test_surrounding_configuration_stays_outside():
    def errors(within):
        with nengo.Network(seed=0) as network:
            network.config[nengo.Ensemble].gain = nengo.dists.Choice([1])
            network.config[nengo.Ensemble].bias = nengo.dists.Choice([0])
            network.config[nengo.Ensemble].radius = 5
            network.config[nengo.Connection].synapse = None
            memory = LegendreMemory(
                0.1, 2, realization=Spiking(100) if within else Linear()
            )
            ensemble = nengo.Ensemble(10, 1)
        memory.realize(Spiking(100))
        assert ensemble.radius == 5
        with nengo.Simulator(network, progress_bar=False) as sim:
            return [sim.data[ens].gain for ens in memory.all_ensembles]

    within, without = errors(True), errors(False)
    assert all(map(np.array_equal, within, without))
    assert np.std(np.concatenate(within)) > 0


def test_nodes_and_network_are_labelled():
    memory = LegendreMemory(0.1, 4, memory_d=2, label="m", add_to_container=False)
    assert (memory.label, memory.input.label, memory.output.label) == (
        "m",
        "input",
        "output",
    )
    assert (memory.input.size_in, memory.output.size_out) == (2, 8)


@pytest.mark.parametrize("realization", [Linear(), Spiking(30)])
def test_another_step_is_refused_with_both_numbers(realization):
    with nengo.Network() as network:
        LegendreMemory(0.1, 3, realization=realization, dt=0.001)
    with pytest.raises(ValidationError, match=r"dt=0\.002 s.*dt=0\.001 s"):
        nengo.Simulator(network, dt=0.002, progress_bar=False)


def test_windowed_memory_is_refused_by_core_nengo():
    with nengo.Network() as network:
        LegendreMemory(0.1, 3, realization=Windowed(10))
    with pytest.raises(ValidationError, match="realize"):
        nengo.Simulator(network, progress_bar=False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(order=0), "must be an integer of at least 1, got 0"),
        (dict(order=2.5), "must be an integer of at least 1, got 2.5"),
        (dict(theta=0), r"must be positive and finite \(seconds\), got 0"),
        (dict(theta=-1.0), "positive and finite .seconds., got -1.0"),
        (dict(theta=0.0005), "must be at least one time step .dt=0.001 s., got 0.0005 s"),
        (dict(memory_d=0), "must be an integer of at least 1, got 0"),
        (dict(dt=0), "got 0"),
        (dict(realization="linear"), r"must be Linear\(\).*got .linear."),
        (dict(realization=Spiking(5)), "must be an integer of at least 6, got 5"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    arguments = {"theta": 1.0, "order": 6, "add_to_container": False, **arguments}
    with pytest.raises(ValidationError, match=message):
        LegendreMemory(**arguments)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Spiking(0), "must be an integer of at least 1, got 0"),
        (lambda: Spiking(100, synapse="slow"), "must be 'auto', a time.*got 'slow'"),
        (lambda: Spiking(100, margin=-1), "positive and finite, got -1"),
        (lambda: Windowed(0), "must be an integer of at least 1, got 0"),
        (lambda: Linear("rk4"), "must be one of .zoh., .euler., .bilinear., got .rk4."),
    ],
)
def test_bad_realizations_are_refused(make, message):
    with pytest.raises(ValidationError, match=message):
        make()


def test_a_constant_expected_input_is_fine_and_silence_is_refused():
    def memory(value):
        process = nengo.processes.PresentInput([[value]], 1.0)
        return LegendreMemory(
            0.1,
            3,
            realization=Spiking(30, expected_input=process),
            add_to_container=False,
        )

    assert memory(1.0).all_ensembles
    with pytest.raises(ValidationError, match="expected_input"):
        memory(0.0)


def test_wrong_sizes_and_networks_without_memory_are_refused():
    with nengo.Network() as network:
        source = nengo.Node(size_in=3)
        with pytest.raises(ValidationError, match="contains no LegendreMemory"):
            realize(network, Linear())
        memory = LegendreMemory(0.1, 4, memory_d=2)
        with pytest.raises(ValidationError):
            nengo.Connection(source, memory.input)


def test_importing_is_light():
    heavy = [
        "jax",
        "matplotlib",
        "nengo_dl",
        "scipy.signal",
        "sklearn",
        "tensorflow",
        "torch",
    ]
    code = f"import sys, lmu_nengo; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


@pytest.mark.parametrize(
    "make",
    [
        lambda: LegendreMemory(1.0, 6, realization=Spiking(3)),
        lambda: LegendreMemory(1.0, 6, start=True, realization=Spiking(100)),
        lambda: WindowFunction(
            LegendreMemory(1.0, 6, add_to_container=False), np.max, [0.5], 10, solver=3
        ),
        lambda: LearnedReadout(
            LegendreMemory(1.0, 6, add_to_container=False), 10, synapse="slow"
        ),
    ],
)
def test_a_refused_network_leaves_nothing_in_its_parent(make):
    with nengo.Network() as network, pytest.raises(ValidationError):
        make()
    assert not network.all_networks and not network.all_objects


def test_all_channels_are_one_node():
    with nengo.Network() as network:
        memory = LegendreMemory(0.5, 6, memory_d=256)
    assert len(memory.all_objects) == 6  # three nodes, three connections
    assert len(network.networks) == 1
