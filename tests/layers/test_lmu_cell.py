import itertools

import nengo
import numpy as np
import pytest
from scipy.linalg import block_diag

import lmu_nengo
from lmu_nengo import Linear, LMUCell, Windowed, targets
from lmu_nengo.memory.network import find_memories
from lmu_nengo.training import Simulator, nengo_dl
from lmu_nengo.training.backend.sequences import apply
from lmu_nengo.training.kernels.blocks import cell_blocks
from lmu_nengo.training.plan.cells import CellSteps

tf = pytest.importorskip("tensorflow")

INPUT, CHANNELS, ORDER, HIDDEN, STEPS, BATCH = 3, 2, 4, 5, 12, 3
THETA = 0.01
SHAPES = {
    "input_encoders": (CHANNELS, INPUT),
    "hidden_encoders": (CHANNELS, HIDDEN),
    "memory_encoders": (CHANNELS, CHANNELS * ORDER),
    "input_kernel": (HIDDEN, INPUT),
    "hidden_kernel": (HIDDEN, HIDDEN),
    "memory_kernel": (HIDDEN, CHANNELS * ORDER),
    "bias": (HIDDEN,),
}
COMBINATIONS = [names for n in range(8) for names in itertools.combinations(SHAPES, n)]
X = np.random.RandomState(0).randn(BATCH, STEPS, INPUT)


def random_weights(names=SHAPES, otherwise=None):
    """Weights of the paths named; for the others None, or zeros."""
    rng = np.random.RandomState(1)
    drawn = {name: 0.4 * rng.randn(*shape) for name, shape in SHAPES.items()}
    for name, shape in SHAPES.items():
        if name not in names:
            drawn[name] = otherwise if otherwise is None else np.full(shape, otherwise)
    return drawn


def formula(weights, x, activation=np.tanh, theta=THETA):
    """The paper's equations 5 to 7 written out, for x (batch, steps, size)."""
    w = {k: np.zeros(SHAPES[k]) if v is None else v for k, v in weights.items()}
    Ad, Bd = lmu_nengo.signal.discretize(*lmu_nengo.signal.state_space(theta, ORDER), 0.001)
    u_all, m_all, h_all = [], [], []
    for sequence in x:
        m, h = np.zeros((CHANNELS, ORDER)), np.zeros(HIDDEN)
        for x_t in sequence:
            u = w["input_encoders"] @ x_t + w["hidden_encoders"] @ h
            u = u + w["memory_encoders"] @ m.ravel()
            m = m @ Ad.T + u[:, None] * Bd[:, 0]
            j = w["input_kernel"] @ x_t + w["hidden_kernel"] @ h
            h = activation(j + w["memory_kernel"] @ m.ravel() + w["bias"])
            u_all.append(u)
            m_all.append(m.ravel())
            h_all.append(h)
    return [np.reshape(a, (*x.shape[:2], -1)) for a in (u_all, m_all, h_all)]


@pytest.fixture(scope="module")
def expected():
    """``u``, ``m`` and ``h`` by the formula for each combination of paths."""
    return [formula(random_weights(names), X) for names in COMBINATIONS]


def network_of(weights, channels=CHANNELS, hidden=HIDDEN):
    """A network with a cell for each of several sets of weights."""
    probes = []
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(trainable=None)
        source = nengo.Node(np.zeros(INPUT), label="source")
        for given in weights:
            cell = LMUCell(
                INPUT, memory_d=channels, theta=THETA, order=ORDER, hidden_d=hidden, **given
            )
            nengo.Connection(source, cell.input, synapse=None)
            probes.append([nengo.Probe(n) for n in (cell.u, cell.m, cell.output)])
    return network, source, probes


def run_in_core(network, source, probes, x):
    """Values of the probes in core Nengo, each of shape (batch, steps, size)."""
    results = []
    for sequence in x:
        source.output = nengo.processes.PresentInput(sequence, 0.001)
        with nengo.Simulator(network, progress_bar=False, optimize=False) as sim:
            sim.run_steps(len(sequence))
        results.append([[sim.data[probe] for probe in cell] for cell in probes])
    source.output = np.zeros(INPUT)
    cells = zip(*results, strict=True)
    return [[np.array(v) for v in zip(*cell, strict=True)] for cell in cells]


def run_in_nengo_dl(network, probes, x):
    with Simulator(network, minibatch_size=len(x), progress_bar=False) as sim:
        values = sim.predict(x.astype(np.float32))
    return [[values[probe] for probe in cell] for cell in probes]


def assert_equal(got, expected, atol):
    assert len(got) == len(expected)
    for values, right in zip(got, expected, strict=True):
        for value, part in zip(values, right, strict=True):
            assert value.shape == part.shape
            assert np.abs(value - part).max() < atol


@pytest.mark.parametrize("way", ["core Nengo", "NengoDL", "NengoDL, all steps"])
def test_every_combination_of_paths_with_zeros_for_the_others(expected, way):
    # all of them side by side in one cell
    parts = [random_weights(names, 0.0) for names in COMBINATIONS]
    weights = {}
    for name in SHAPES:
        shared = name == "bias" or name.startswith("input")
        blocks = [part[name] for part in parts]
        weights[name] = np.concatenate(blocks) if shared else block_diag(*blocks)
    n = len(COMBINATIONS)
    network, source, probes = network_of([weights], n * CHANNELS, n * HIDDEN)
    lmu_nengo.realize(network, Windowed(STEPS) if "all steps" in way else Linear())
    if way == "core Nengo":
        (got,) = run_in_core(network, source, probes, X)
    else:
        (got,) = run_in_nengo_dl(network, probes, X)
    got = zip(*(np.split(value, n, axis=-1) for value in got), strict=True)
    assert_equal(list(got), expected, 1e-10 if way == "core Nengo" else 1e-5)


@pytest.fixture(scope="module")
def without_the_others():
    """A network with a cell for each combination of paths; the other paths are absent."""
    return network_of([random_weights(names) for names in COMBINATIONS])


def test_every_combination_of_paths_without_the_others_in_core_nengo(
    without_the_others, expected
):
    network, source, probes = without_the_others
    lmu_nengo.realize(network, Linear())
    right = [[value[:1] for value in values] for values in expected]
    assert_equal(run_in_core(network, source, probes, X[:1]), right, 1e-10)


def test_combinations_of_paths_without_the_others_in_all_steps(
    without_the_others, expected
):
    network, *_ = without_the_others
    lmu_nengo.realize(network, Windowed(STEPS))
    got, right = [], []
    some = list(zip(network.networks, expected, strict=True))[::5]
    for cell, values in some:
        if cell.feedback:  # else plain connections around a LegendreMemory compute it
            process = CellSteps.of(cell, ("u", "m", "h"))
            outputs, _ = apply(process, tf.constant(X, tf.float32), cell.weights, None)
            got.append([y.numpy() for y in outputs])
            right.append(values)
    assert len(got) > 20
    assert_equal(got, right, 1e-5)


@pytest.mark.parametrize("realization", [Linear(), Windowed(STEPS)])
def test_paths_left_out_in_nengo_dl(realization):
    # each path is there in one of them and left out in another
    some = [(), tuple(SHAPES), tuple(SHAPES)[::2], tuple(SHAPES)[1::2]]
    network, _, probes = network_of([random_weights(names) for names in some])
    lmu_nengo.realize(network, realization)
    right = [formula(random_weights(names), X) for names in some]
    assert_equal(run_in_nengo_dl(network, probes, X), right, 1e-5)


@pytest.mark.parametrize("name", [None, "hidden_kernel", "theta"])
def test_a_cell_has_the_same_parts_in_every_realization(name):
    weights = {name: random_weights()[name]} if name in SHAPES else {}
    trainable = None if name in weights or name is None else [name]
    with nengo.Network(seed=0) as network:
        cell = LMUCell(
            INPUT,
            memory_d=CHANNELS,
            theta=THETA,
            order=ORDER,
            hidden_d=HIDDEN,
            trainable=trainable,
            dt=0.002,
            **weights,
        )
    outside = set(cell.all_objects) - set(cell.memory.all_objects)
    for realization in (Windowed(STEPS), Linear("bilinear"), Windowed(STEPS)):
        if name == "theta" and not realization.is_windowed:
            realization = Linear()
        lmu_nengo.realize(network, realization)
        assert cell.realization == cell.memory.realization == realization
        assert set(cell.all_objects) - set(cell.memory.all_objects) == outside
        assert network.all_ensembles == [cell.hidden]
        assert find_memories(network) == [cell.memory]
        # so targets and conversion see its neurons and its time step
        assert "Tanh" in {limit.value for limit in targets.check(network, "ocl", 0.002)}
        assert targets.check(network, "core", 0.001)[0].name == "step"


@pytest.mark.parametrize("block", [1, 3, 14])
def test_blocks_of_any_length_give_states_and_gradient_of_the_steps(block):
    order, n_steps = 6, 17  # not whole blocks
    rng = np.random.RandomState(0)
    shapes = [(CHANNELS, HIDDEN), (CHANNELS, CHANNELS * order)]
    shapes += [(HIDDEN, HIDDEN), (HIDDEN, CHANNELS * order)]
    paths = [tf.constant(0.3 * rng.randn(*shape)) for shape in shapes]
    ux = tf.constant(rng.randn(n_steps, BATCH, CHANNELS))
    jx = tf.constant(rng.randn(n_steps, BATCH, HIDDEN))
    Ad, Bd = lmu_nengo.signal.discretize(*lmu_nengo.signal.state_space(THETA, order), 0.001)
    direction = rng.randn(n_steps, BATCH, CHANNELS + HIDDEN)

    def by_blocks(paths, ux, jx):
        return tf.concat(cell_blocks(paths, ux, jx, Ad, Bd, tf.tanh, block), axis=-1)

    def by_steps(paths, ux, jx):
        e_h, e_m, W_h, W_m = map(tf.transpose, paths)
        m = tf.zeros((BATCH, CHANNELS, order), tf.float64)
        h, states = tf.zeros((BATCH, HIDDEN), tf.float64), []
        for t in range(n_steps):
            u = ux[t] + h @ e_h + tf.reshape(m, (BATCH, -1)) @ e_m
            m = m @ Ad.T + u[..., None] * Bd[:, 0]
            h = tf.tanh(jx[t] + h @ W_h + tf.reshape(m, (BATCH, -1)) @ W_m)
            states.append(tf.concat([u, h], axis=-1))
        return tf.stack(states)

    results = []
    for function in (by_blocks, by_steps):
        with tf.GradientTape() as tape:
            tape.watch([paths, ux, jx])
            states = function(paths, ux, jx)
            total = tf.reduce_sum(states * direction)
        gradients = tape.gradient(total, [*paths, ux, jx])
        results.append([states, *gradients])
    for a, b in zip(*results, strict=True):
        assert np.abs(a - b).max() < 1e-10 * np.abs(b).max()


@pytest.mark.parametrize(
    "trainable, bias, kernel",
    [
        (None, None, None),  # as the network around says
        (True, True, True),
        (False, False, False),
        (["bias"], True, False),
    ],
)
def test_trainable_says_what_is_trained_whatever_is_configured_around(
    trainable, bias, kernel
):
    sizes = dict(memory_d=1, theta=0.1, order=3, hidden_d=2)
    cell = LMUCell(1, trainable=trainable, **sizes)
    assert cell.config[cell.hidden].trainable is bias
    assert cell.config[cell.paths["memory_kernel"]].trainable is kernel
