import gc
import resource
import subprocess
import sys
import tracemalloc

import nengo
import numpy as np
import pytest
from nengo.exceptions import SimulatorClosed, ValidationError

import lmu_nengo
from lmu_nengo import LegendreMemory, Stream
from tests.streaming import streaming_example
from tests.streaming.streaming_example import SIGNAL, build

ENGINES = ["core", pytest.param("jax", id="jax")]


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param == "jax":
        pytest.importorskip("jax")
    return request.param


def whole(network, signal):
    """What core Nengo gives for the whole signal at once."""
    network.sample.output = nengo.processes.PresentInput(signal, 0.001)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(len(signal))
    network.sample.output = np.zeros(1)
    return sim.data[network.probe]


def test_samples_give_what_the_whole_signal_gives(engine):
    network = build()
    options = {} if engine == "core" else {"precision": "float64"}
    with Stream(network, engine=engine, **options) as stream:
        one_by_one = np.stack([stream.push(sample) for sample in SIGNAL])
        assert stream.n_steps == len(SIGNAL)
    expected = whole(network, SIGNAL)
    assert np.abs(expected).max() > 0.05
    assert np.abs(one_by_one - expected).max() < 1e-12


def test_how_samples_are_divided_into_blocks_makes_no_difference(engine):
    with Stream(build(), engine=engine) as stream:
        one_by_one = np.stack([stream.push(sample) for sample in SIGNAL])
        stream.reset()
        assert stream.n_steps == 0
        parts = [stream.push(part) for part in np.split(SIGNAL, [1, 1, 50])]
        assert np.array_equal(np.concatenate(parts), one_by_one)


def test_streams_are_independent_and_one_can_start_again(engine):
    signals = np.stack([SIGNAL, -0.5 * SIGNAL])
    with Stream(build(), n_streams=2, engine=engine) as stream:
        both = stream.push(signals)
        stream.reset(stream=1)
        again = stream.push(signals[:, :40])
    for i, gain in enumerate((1, -0.5)):
        with Stream(build(), engine=engine) as alone:
            first = alone.push(gain * SIGNAL)
            if i == 1:
                alone.reset()
            second = alone.push(gain * SIGNAL[:40])
        assert np.abs(both[i] - first).max() < 1e-5
        assert np.abs(again[i] - second).max() < 1e-5


def test_a_saved_state_goes_on_bit_for_bit_in_a_fresh_process(engine, tmp_path):
    state, output = tmp_path / "state.npz", tmp_path / "output.npy"
    with Stream(build(), engine=engine) as stream:
        stream.push(SIGNAL[:60])
        stream.save(state)
        expected = stream.push(SIGNAL[60:])
    command = [sys.executable, "-m", streaming_example.__name__, engine, state, output]
    subprocess.run(command, check=True)
    assert np.array_equal(np.load(output), expected)


def test_the_state_of_one_stream_moves_to_another(engine, tmp_path):
    path = tmp_path / "one.npz"
    with Stream(build(), n_streams=3, engine=engine) as stream:
        x = np.stack([SIGNAL, 2 * SIGNAL, 0 * SIGNAL])
        stream.push(x[:, :60])
        stream.save(path, stream=0)
        stream.load(path, stream=2)
        y = stream.push(x[[0, 1, 0], 60:])
    assert np.array_equal(y[0], y[2]) and not np.array_equal(y[0], y[1])
    with Stream(build(), engine=engine) as alone:
        alone.load(path)
        assert alone.n_steps == 60
        assert np.abs(alone.push(SIGNAL[60:]) - y[0]).max() < 1e-5


def test_nothing_accumulates(engine):
    with Stream(build(), engine=engine) as stream:

        def traced(n_steps):
            for _ in range(n_steps):
                stream.push(SIGNAL[0])
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = traced(300)
            assert traced(3000) - before < 3000  # less than a byte a step
        finally:
            tracemalloc.stop()


@pytest.mark.slow
def test_an_hour_of_streaming_takes_no_more_memory_than_a_minute(engine):
    """Ten million steps (core: one million); the delay is as exact at the end."""
    n_steps = 10_000
    signal = 0.3 * np.sin(2 * np.pi * np.arange(n_steps) / 1000)[:, None]
    expected = np.roll(signal, 50)
    peaks, errors = [], []
    with Stream(build(), engine=engine) as stream:
        for _ in range(1000 if engine == "jax" else 100):
            y = stream.push(signal)
            errors.append(np.sqrt(np.mean((y - expected) ** 2)))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        assert stream.n_steps == len(peaks) * n_steps
    print(f"{stream.n_steps:,} steps, {peaks[5]} to {peaks[-1]} KiB")
    # less than a byte a step: 2.5 MiB were measured, of some 380 MiB
    assert 1024 * (peaks[-1] - peaks[5]) < stream.n_steps
    assert max(errors[-10:]) < 1.3 * max(errors[:10])


def test_a_layer_is_streamed_from_its_input_to_its_output(engine):
    with nengo.Network(seed=0) as network:
        memory = LegendreMemory(0.05, 3, memory_d=2, realization=lmu_nengo.Windowed(9))
    x = np.random.RandomState(1).randn(9, 2)
    with Stream(network, memory.input, memory.output, engine=engine) as stream:
        y = stream.push(x)
    Ad, Bd = memory.discrete()
    m = np.zeros((2, 3))
    for u in x:
        m = m @ Ad.T + u[:, None] @ Bd.T
    assert np.abs(y[-1] - m.ravel()).max() < 1e-6
    assert memory.realization == lmu_nengo.Windowed(9)
    with Stream(memory, engine=engine) as stream:  # it has .input and .output itself
        assert np.array_equal(stream.push(x), y)


def test_other_nodes_keep_their_own_output(engine):
    with nengo.Network(seed=0) as network:
        a, clock = nengo.Node([5.0], label="a"), nengo.Node(lambda t: t)
        total = nengo.Node(size_in=1)
        for node in (a, clock):
            nengo.Connection(node, total, synapse=None)
    with Stream(network, a, total, engine=engine) as stream:
        assert stream.push([[1], [2]]) == pytest.approx(np.array([[1.001], [2.002]]))
    with pytest.raises(ValidationError, match="as 2 nodes have no input"):
        Stream(network, output=total, engine=engine)


def test_states_of_other_networks_are_refused(engine, tmp_path):
    path = tmp_path / "state.npz"
    with Stream(build(), engine=engine) as stream:
        stream.save(path)
    other = build(delay=0.6)
    with (
        Stream(other, engine=engine) as stream,
        pytest.raises(ValidationError, match="state of another network"),
    ):
        stream.load(path)
    with (
        Stream(build(), n_streams=2, engine=engine) as stream,
        pytest.raises(ValidationError, match="number of streams None, but it is 2"),
    ):
        stream.load(path)


def test_a_network_that_draws_random_numbers_runs_but_is_not_saved(engine, tmp_path):
    with nengo.Network(seed=0) as network:
        sample, total = nengo.Node([0]), nengo.Node(size_in=1)
        noise = nengo.Node(nengo.processes.WhiteNoise())
        nengo.Connection(sample, total, synapse=None)
        nengo.Connection(noise, total, synapse=None)
    with Stream(network, sample, total, engine=engine) as stream:
        assert stream.push([[0.0], [0.0]]).std() > 0
        with pytest.raises(
            ValidationError, match="random numbers are drawn in the network, by WhiteNoise"
        ):
            stream.save(tmp_path / "state.npz")


def test_wrong_samples_are_refused_and_leave_the_state(engine):
    with Stream(build(), engine=engine) as stream:
        first = stream.push(SIGNAL[:30])
        for x, message in [
            ([[1, 2]], r"must have the shape \(1\)"),
            (0.5, r"got \(\)"),
            ([np.nan], "must be finite, but 1 values are not"),
        ]:
            with pytest.raises(ValidationError, match=message):
                stream.push(x)
        with pytest.raises(ValidationError, match="can only be given if there are several"):
            stream.reset(stream=0)
        rest = stream.push(SIGNAL[30:])
        stream.reset()
        assert np.array_equal(stream.push(SIGNAL), np.concatenate([first, rest]))
    with pytest.raises(SimulatorClosed):
        stream.push(SIGNAL[0])


def test_what_needs_the_future_is_refused(engine):
    with nengo.Network(seed=0) as network:
        cells = [lmu_nengo.LSTM(1, 2), lmu_nengo.LSTM(1, 2)]
        both = lmu_nengo.Bidirectional(*cells)
    with pytest.raises(ValidationError, match="cannot be streamed"):
        Stream(network, both.input, both.output, engine=engine)
