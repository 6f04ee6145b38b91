import warnings

import jax
import jax.numpy as jnp
import nengo
import numpy as np
import pytest
from nengo.exceptions import SimulationError, ValidationError

from lmu_nengo import engine

IN_PYTHON = "some of the network runs in Python"
pytestmark = pytest.mark.filterwarnings(f"ignore:{IN_PYTHON}")


def connected(function, size=1, size_out=None, stimulus=np.sin):
    """A node with input, and what is probed."""
    with nengo.Network(seed=0) as network:
        source = nengo.Node(lambda t: [stimulus(20 * t)] * size)
        node = nengo.Node(function, size_in=size, size_out=size_out)
        nengo.Connection(source, node, synapse=0.01)
        probe = nengo.Probe(node) if node.size_out else None
    return network, probe


@pytest.mark.parametrize("way", ["optimized", "batch_not_optimized"])
def test_functions_agree_with_core(run_both, way):
    with nengo.Network(seed=0) as network:
        nodes = [
            nengo.Node([0.5, -1]),
            nengo.Node(lambda t: np.cos(t)),
            nengo.Node(np.cos),
            nengo.Node(lambda t: [t > 0.05, 2]),
            nengo.Node(lambda t, x: x[0] * t, size_in=2),
            nengo.Node(lambda t, x: x.sum() > 0.5, size_in=2, size_out=1),
            nengo.Node(size_in=2),
            nengo.Ensemble(1, 2, neuron_type=nengo.Direct()),
        ]
        nengo.Node(lambda t: None)
        nengo.Node(lambda t, x: None, size_in=2)
        for pre in nodes[:4]:
            for post in nodes[4:]:
                nengo.Connection(pre[0], post[1])
                nengo.Connection(pre[0], post[0], function=lambda x: x**2 - 1)
        nengo.Connection(nodes[-1], nodes[-2], function=lambda x: x[::-1] * 2)
        probes = [nengo.Probe(node) for node in nodes]
    both = run_both(network, 100, way)
    for probe in probes:
        assert both.largest_error(probe) < 1e-12


@pytest.mark.parametrize("simulator", [nengo.Simulator, engine.Simulator])
def test_functions_are_called_once_a_step_in_order(simulator):
    """What depends on time alone is not called ahead of what it shares state with."""
    calls = []

    class Environment:
        position = 0.0

        def sense(self, t):
            calls.append(("sense", t))
            return self.position

        def act(self, t, x):
            calls.append(("act", t))
            self.position += 0.1 * x[0] + 0.01

    environment = Environment()
    with nengo.Network(seed=0) as network:
        sense = nengo.Node(environment.sense)
        act = nengo.Node(environment.act, size_in=1)
        nengo.Connection(sense, act, synapse=0.01)
        probe = nengo.Probe(sense)
    # Nengo's optimizer changes the order of what does not depend on each other
    settings = {"progress_bar": False, "optimize": False}
    with simulator(network, **settings) as sim:
        calls.clear()  # of the node, which asked for the size
        environment.position = 0.0
        sim.run_steps(3)
        sim.run_steps(70)
        names, times = zip(*calls, strict=True)
        assert times == tuple(t for n in range(1, 74) for t in [n * 0.001] * 2)
        assert names == names[:2] * 73
        if simulator is engine.Simulator:
            environment.position = 0.0
            with nengo.Simulator(network, **settings) as core:
                core.run_steps(73)
                assert np.allclose(sim.data[probe], core.data[probe], rtol=1e-5)


def test_functions_of_time_share_a_generator_as_in_core():
    def network():
        rng = np.random.RandomState(3)
        with nengo.Network(seed=0) as network:
            nodes = [nengo.Node(lambda t: rng.normal(size=2)) for _ in range(3)]
            rng.seed(3)
            return network, [nengo.Probe(node) for node in nodes]

    results = []
    for simulator in nengo.Simulator, engine.Simulator:
        net, probes = network()
        with simulator(net, progress_bar=False, optimize=False) as sim:
            sim.run_steps(20)
            sim.run_steps(30)
            results.append(np.hstack([sim.data[probe] for probe in probes]))
    assert np.allclose(*results, rtol=1e-6)


def test_input_of_a_function_is_its_own():
    kept = []

    def function(t, x):
        kept.append(x)
        x_before = x.copy()
        x[...] = 7
        return x_before

    network, probe = connected(function, 3)
    kept.clear()
    with engine.Simulator(network, progress_bar=False, precision="float64") as sim:
        sim.run_steps(20)
    assert all(type(x) is np.ndarray and x.dtype == float and x.shape == (3,) for x in kept)
    assert all(x.base is None and np.all(x == 7) for x in kept)
    assert 0 < sim.data[probe].max() < 1


def test_a_batch_calls_a_function_for_each_sequence():
    calls = []

    def function(t, x):
        calls.append(x.item())
        return 2 * x

    with nengo.Network() as network:
        source = nengo.Node([0.0])
        node = nengo.Node(function, size_in=1, size_out=1)
        nengo.Connection(source, node, synapse=None)
        probe = nengo.Probe(node)
    data = np.arange(12.0).reshape(3, 4, 1)
    with engine.Simulator(network, progress_bar=False, minibatch_size=3) as sim:
        sim.run_steps(4, data={source: data})
    assert np.array_equal(sim.data[probe], 2 * data)
    assert calls == data.swapaxes(0, 1).ravel().tolist()


def test_a_batch_calls_a_function_of_time_once():
    calls = []

    def function(t):
        calls.append(t)
        return len(calls)

    network, _ = connected(lambda t, x: x)
    with network:
        probe = nengo.Probe(nengo.Node(function, size_out=1))
    with engine.Simulator(network, progress_bar=False, minibatch_size=3) as sim:
        calls.clear()
        sim.run_steps(20)
    assert np.array_equal(sim.data[probe], np.tile(np.arange(1, 21)[:, None], (3, 1, 1)))


def test_jax_functions_are_compiled():
    traced = []

    @engine.jax_function
    def squared(t, x):
        traced.append(x)
        return jnp.square(x) + t

    @engine.jax_function
    def cosine(t):
        return jnp.cos(10 * t)

    network, probe = connected(squared, 2, 2)
    with network:
        other = nengo.Probe(nengo.Node(cosine, size_out=1))
    traced.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with engine.Simulator(network, progress_bar=False, precision="float64") as sim:
            sim.run_steps(100)
    assert all(isinstance(x, jax.core.Tracer) for x in traced)
    t = sim.trange()
    assert np.allclose(sim.data[other][:, 0], np.cos(10 * t), rtol=1e-12)
    filtered = nengo.Lowpass(0.01).filt(np.sin(20 * t)[:, None], dt=sim.dt)[:, 0]
    delayed = np.append(0, filtered[:-1])  # as a synapse of Nengo's
    assert np.allclose(sim.data[probe][:, 0], delayed**2 + t, rtol=1e-10)


class Scaled:
    """An object with methods that are functions of nodes."""

    scale = 3

    def by_scale(self, t, x):
        return self.scale * x


@pytest.mark.parametrize("function", [Scaled().by_scale, lambda t, x: jnp.tanh(x)])
def test_a_marked_function_is_left_as_it_is(function):
    marked = engine.jax_function(function)
    assert not hasattr(function, "is_jax_function")
    network, probe = connected(marked, 2)
    results = []
    for simulator in nengo.Simulator, engine.Simulator:
        with simulator(network, progress_bar=False) as sim:
            sim.run_steps(50)
            results.append(np.array(sim.data[probe]))
    assert np.abs(results[0]).max() > 0.1
    assert np.allclose(*results, rtol=1e-5)


def failing(error):
    def function(t, x):
        if t > 0.0495:
            raise error
        return x

    return function


@pytest.mark.parametrize("error", [KeyError("mine"), AssertionError("that"), SystemExit(3)])
@pytest.mark.parametrize("batch", [None, 2])
def test_errors_of_functions_come_through(error, batch):
    network, probe = connected(failing(error))
    with engine.Simulator(network, progress_bar=False, minibatch_size=batch) as sim:
        with pytest.raises(type(error)) as caught:
            sim.run(0.1)
        assert caught.value is error
        sim.reset()
        sim.run_steps(49)
        assert sim.data[probe].shape[-2] == 49
        with pytest.raises(type(error)):
            sim.step()


def test_errors_of_functions_of_time_come_through():
    def function(t):
        if t > 0.0495:
            raise ZeroDivisionError("mine")
        return t

    with nengo.Network() as network:
        nengo.Probe(nengo.Node(function))
    with engine.Simulator(network, progress_bar=False) as sim:
        with pytest.raises(ZeroDivisionError, match="mine"):
            sim.run(0.1)
        sim.reset()
        sim.run_steps(49)


BAD_VALUES = [
    (None, "returned non-finite value"),
    (np.nan, "returned non-finite value"),
    ([1, np.inf], "returned non-finite value"),
    ("text", "of invalid type <class 'str'>"),
    ([1, 2, 3], "of invalid type <class 'list'>"),
]


@pytest.mark.parametrize("has_input", [True, False])
@pytest.mark.parametrize(("value", "message"), BAD_VALUES)
def test_bad_values_are_refused_as_in_core(value, message, has_input):
    def function(t, *x):
        return value

    with nengo.Network() as network:
        nengo.Node(function, size_in=2 if has_input else 0, size_out=2)
    for simulator in nengo.Simulator, engine.Simulator:
        with simulator(network, progress_bar=False) as sim:
            with pytest.raises(SimulationError, match="Function 'function'") as caught:
                sim.run_steps(3)
            assert message in str(caught.value)


def test_functions_may_compute_with_jax_and_numpy():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(200, 200))
    power = jax.jit(lambda x: (jnp.asarray(A, jnp.float32) @ jnp.full(200, x)).sum())

    def function(t, x):
        return power(x[0]), (A @ np.full(200, x[0])).sum(), np.linalg.norm(A @ A) * x[0]

    network, probe = connected(function, 1, 3)
    with engine.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(50)
    by_jax, by_numpy, norm = sim.data[probe][-10:].T
    assert np.allclose(by_jax, by_numpy, rtol=1e-3)
    assert np.allclose(norm / by_numpy, np.linalg.norm(A @ A) / A.sum(), rtol=1e-4)


def test_python_is_named_once_by_each_simulator():
    def slow(t, x):
        return x

    network, _ = connected(slow)
    with network:
        ensemble = nengo.Ensemble(
            10, 1, neuron_type=nengo.PoissonSpiking(nengo.LIFRate()), label="noisy"
        )
        nengo.Connection(ensemble, nengo.Node(slow, size_in=1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with engine.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(10)
            sim.reset()
            sim.run_steps(10)
    messages = [str(w.message) for w in caught if IN_PYTHON in str(w.message)]
    assert len(messages) == 1
    assert messages[0].count("the function 'slow'") == 1
    assert "neurons of type PoissonSpiking" in messages[0]
    assert "lmu_nengo.engine.jax_function" in messages[0]


def test_data_for_a_function_that_is_called_are_refused():
    network, _ = connected(lambda t, x: x)
    source = next(node for node in network.all_nodes if node.size_in == 0)
    with (
        engine.Simulator(network, progress_bar=False) as sim,
        pytest.raises(ValidationError, match="called in each step"),
    ):
        sim.run_steps(5, data={source: np.zeros((5, 1))})


def test_data_replace_what_a_function_of_time_gives():
    with nengo.Network() as network:
        first, second = nengo.Node(lambda t: t), nengo.Node(lambda t: -t)
        probes = nengo.Probe(first), nengo.Probe(second)
    with engine.Simulator(network, progress_bar=False, precision="float64") as sim:
        sim.run_steps(5, data={first: np.full((5, 1), 3.0)})
        sim.run_steps(5)
    t = sim.trange()
    assert np.array_equal(sim.data[probes[0]][:, 0], np.where(t < 0.0055, 3, t))
    assert np.array_equal(sim.data[probes[1]][:, 0], -t)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_functions_are_called_on_other_devices_with_the_same_result(monkeypatch, precision):
    """A processor gives its memory to the function; other devices have to copy it."""
    network, probe = connected(lambda t, x: (t, x[0] ** 2), 1, 2)
    results = []
    for _ in range(2):
        with engine.Simulator(
            network, progress_bar=False, minibatch_size=2, precision=precision
        ) as sim:
            sim.run_steps(30)
            results.append(np.array(sim.data[probe]))
        # as if there were no processor
        monkeypatch.setattr(
            jax.lax, "platform_dependent", lambda *args, cpu, default: default(*args)
        )
    assert np.abs(results[0]).max() > 0
    assert np.array_equal(*results)
