import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Band, Linear, LMUCell, Spiking, Windowed, realize
from lmu_nengo.signal import discretize
from lmu_nengo.training import Simulator, nengo_dl

tf = pytest.importorskip("tensorflow")

STEPS, BATCH, SIZE, ORDER, HIDDEN, THETA = 15, 6, 2, 3, 4, 0.01
quiet = dict(progress_bar=False, seed=0)
rng = np.random.RandomState(0)
X = rng.randn(BATCH, STEPS, SIZE).astype(np.float32)
Y = rng.randn(BATCH, STEPS, HIDDEN)
ALL = {
    "input_encoders": 0.5 * rng.randn(1, SIZE),
    "hidden_encoders": 0.5 * rng.randn(1, HIDDEN),
    "memory_encoders": 0.2 * rng.randn(1, ORDER),
    "input_kernel": 0.5 * rng.randn(HIDDEN, SIZE),
    "hidden_kernel": 0.3 * rng.randn(HIDDEN, HIDDEN),
    "memory_kernel": 0.5 * rng.randn(HIDDEN, ORDER),
    "bias": 0.1 + rng.rand(HIDDEN),
}


def build(realization=None, **kwargs):
    """A network with one cell, its source and a probe on its output."""
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(trainable=None)
        source = nengo.Node(np.zeros(SIZE))
        cell = LMUCell(
            SIZE,
            memory_d=1,
            theta=THETA,
            order=ORDER,
            hidden_d=HIDDEN,
            realization=realization,
            **kwargs,
        )
        nengo.Connection(source, cell.input, synapse=None)
        probe = nengo.Probe(cell.output, label="output")
    return network, cell, probe


def fit(network, cell, probe, epochs=4, optimizer=None):
    """Losses by epoch; the trained weights are frozen into the cell."""
    with Simulator(network, minibatch_size=3, **quiet) as sim:
        sim.compile(optimizer or tf.optimizers.SGD(0.2), loss={probe: "mse"})
        fitted = sim.fit(X, {probe: Y}, epochs=epochs, shuffle=False, verbose=0)
        outputs = sim.predict(X, verbose=0)[probe]
        sim.freeze_params(network)
    return fitted.history["loss"], outputs


def loss_of(cell_weights):
    """Mean square error of the formula written out, in double precision."""
    w = {k: np.asarray(v, dtype=float) for k, v in cell_weights.items()}
    theta = w["theta"][0]
    Ad, Bd = discretize(w["A"] / theta, w["B"] / theta, 0.001)
    m, h = np.zeros((BATCH, ORDER)), np.zeros((BATCH, HIDDEN))
    error = 0
    for x, y in zip(X.transpose(1, 0, 2), Y.transpose(1, 0, 2), strict=True):
        u = x @ w["input_encoders"].T + h @ w["hidden_encoders"].T
        m = m @ Ad.T + (u + m @ w["memory_encoders"].T) @ Bd.T
        j = x @ w["input_kernel"].T + h @ w["hidden_kernel"].T
        h = np.tanh(j + m @ w["memory_kernel"].T + w["bias"])
        error += np.mean((h - y) ** 2) / STEPS
    return error


def test_the_gradient_is_that_of_the_formula_also_for_theta_A_and_B():
    names = [*ALL, "theta", "A", "B"]
    network, cell, probe = build(Windowed(STEPS), trainable=names, **ALL)
    before = {k: np.array(v) for k, v in cell.weights.items()}
    rate = 1e-2
    with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
        sim.compile(tf.optimizers.SGD(rate), loss={probe: "mse"})
        sim.fit(X, {probe: Y}, verbose=0)
        sim.freeze_params(network)
    rng = np.random.RandomState(3)
    for name in names:
        # along a random direction; theta in seconds is 100 times smaller than the rest
        direction = rng.randn(*before[name].shape)
        step = 1e-6 if name == "theta" else 1e-4
        ends = [
            loss_of({**before, name: before[name] + sign * step * direction})
            for sign in (1, -1)
        ]
        expected = (ends[0] - ends[1]) / (2 * step)
        changes = before[name] - cell.weights[name]
        if name == "theta":  # its logarithm is trained: d/dlog(theta) = theta d/dtheta
            changes = np.log(before[name] / cell.weights[name]) / before[name]
        got = np.sum(changes * direction) / rate
        assert got == pytest.approx(expected, rel=5e-3, abs=2e-5), name


@pytest.mark.slow
def test_the_fused_path_trains_like_nengodls_steps():
    losses, outputs, weights = [], [], []
    for realization in (Windowed(STEPS), Linear()):
        network, cell, probe = build(realization, **ALL)
        history, output = fit(network, cell, probe)
        losses.append(history)
        outputs.append(output)
        weights.append(cell.weights)
    assert losses[0][0] > 1.05 * losses[0][-1]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert np.abs(outputs[0] - outputs[1]).max() < 1e-4
    for name in ALL:
        assert np.abs(weights[0][name] - weights[1][name]).max() < 1e-4, name


@pytest.mark.parametrize(
    "realization, paths",
    [
        (Windowed(STEPS), ALL),
        (Windowed(STEPS), {}),
        (Linear(), {}),
        pytest.param(Linear(), ALL, marks=pytest.mark.slow),
    ],
)
def test_only_what_is_trainable_changes(realization, paths):
    trained = ["memory_kernel", "input_encoders"]
    network, cell, probe = build(realization, trainable=trained, **paths)
    before = {k: np.array(v) for k, v in cell.weights.items()}
    fit(network, cell, probe, 1)
    for name, value in cell.weights.items():
        change = np.abs(value - before[name]).max()
        # NengoDL returns all in single precision
        assert (change > 1e-4) if name in trained else (change < 1e-7), name


@pytest.mark.parametrize(
    "trainable",
    [[*ALL, "theta", "A", "B"], pytest.param(None, marks=pytest.mark.slow)],
)
def test_a_trained_cell_gives_the_same_in_core_nengo(trainable):
    network, cell, probe = build(Windowed(STEPS), trainable=trainable, **ALL)
    _, expected = fit(network, cell, probe)
    realize(network, Linear())
    source = network.nodes[0]
    for x, y in zip(X[:2], expected, strict=False):
        source.output = nengo.processes.PresentInput(x, 0.001)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(STEPS)
        assert np.abs(sim.data[probe] - y).max() < 1e-5


@pytest.mark.slow
def test_training_finds_the_window_that_a_target_needs():
    """The output of a cell with another theta can only be met by that theta."""
    x = np.random.RandomState(1).randn(16, 60, SIZE).astype(np.float32)

    def cell_of(theta, **kwargs):
        with nengo.Network(seed=0) as network:
            source = nengo.Node(np.zeros(SIZE))
            cell = LMUCell(
                SIZE, memory_d=1, theta=theta, order=6, hidden_d=6, input_encoders=[[1, 0]],
                bias=None,
                memory_kernel=np.eye(6), hidden_type=tf.identity,
                realization=Windowed(60), **kwargs,
            )  # fmt: skip
            nengo.Connection(source, cell.input, synapse=None)
            probe = nengo.Probe(cell.output)
        return network, cell, probe

    network, _, probe = cell_of(0.025)
    with Simulator(network, minibatch_size=16, **quiet) as sim:
        y = sim.predict(x, verbose=0)[probe]
    network, cell, probe = cell_of(0.020, trainable=["theta"])
    with Simulator(network, minibatch_size=16, **quiet) as sim:
        sim.compile(tf.optimizers.Adam(1e-2), loss={probe: "mse"})
        sim.fit(x, {probe: y}, epochs=80, verbose=0)
        sim.freeze_params(network)
    assert cell.weights["theta"][0] == pytest.approx(0.025, rel=0.01)
    assert cell.memory.theta == cell.weights["theta"][0]


def test_every_hidden_type_gives_the_same_in_all_ways():
    kinds = [
        nengo.RectifiedLinear(amplitude=0.5),
        nengo.Sigmoid(tau_ref=0.5),
        nengo.LIFRate(amplitude=0.01),
        tf.nn.gelu,
    ]
    with nengo.Network(seed=0) as network:
        source = nengo.Node(np.zeros(SIZE))
        probes = []
        for kind in kinds:
            cell = LMUCell(
                SIZE,
                memory_d=1,
                theta=THETA,
                order=ORDER,
                hidden_d=HIDDEN,
                hidden_type=kind,
                **ALL,
            )
            nengo.Connection(source, cell.input, synapse=None)
            probes.append(nengo.Probe(cell.output))
    expected = []
    for x in X:
        source.output = nengo.processes.PresentInput(x, 0.001)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run_steps(STEPS)
        expected.append([sim.data[probe] for probe in probes])
    source.output = np.zeros(SIZE)
    for realization in (Windowed(STEPS), Linear()):
        realize(network, realization)
        with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
            got = sim.predict(X, verbose=0)
        for probe, *values in zip(probes, *expected, strict=True):
            scale = max(1, np.abs(values).max())
            assert np.abs(got[probe] - values).max() < 1e-5 * scale


def test_the_memory_of_a_cell_can_be_made_of_neurons():
    """Feedback included: the more neurons, the nearer to the exact cell."""
    paths = {k: ALL[k] for k in ("input_kernel", "memory_kernel", "hidden_encoders")}
    with nengo.Network(seed=0) as network:
        noise = nengo.processes.WhiteSignal(2.0, 2.0, rms=0.3, y0=0, seed=1)
        source = nengo.Node(noise, size_out=SIZE)
        cell = LMUCell(
            SIZE,
            memory_d=1,
            theta=0.2,
            order=ORDER,
            hidden_d=HIDDEN,
            **paths,
            input_encoders=[[1, 0]],
        )
        nengo.Connection(source, cell.input, synapse=None)
        probe = nengo.Probe(cell.output, synapse=0.02)

    def run(realization):
        realize(network, realization)
        with nengo.Simulator(network, progress_bar=False) as sim:
            sim.run(2.0)
        return sim.data[probe]

    exact = run(Linear())
    options = dict(
        neuron_type=nengo.SpikingRectifiedLinear(), expected_input=Band(2.0, 0.6)
    )
    few, many = (
        np.sqrt(np.mean((run(Spiking(n, **options)) - exact) ** 2)) for n in (60, 2000)
    )
    assert many < 0.02 * np.abs(exact).max() and many < few


@pytest.mark.parametrize("simulator", [nengo.Simulator, Simulator])
def test_a_windowed_cell_refuses_another_time_step(simulator):
    network, *_ = build(Windowed(STEPS), dt=0.005, **ALL)
    with pytest.raises(ValidationError, match=r"dt=0\.001 s.*dt=0\.005 s"):
        simulator(network, dt=0.001, progress_bar=False)


def test_building_a_simulator_does_not_change_the_cell():
    network, cell, probe = build(Windowed(STEPS), trainable=[*ALL, "theta"], **ALL)
    objects, weights = set(network.all_objects), cell.weights

    def is_unchanged():
        names = [name for name in weights if np.any(weights[name] != cell.weights[name])]
        return set(network.all_objects) == objects and not names

    declined = dict(write_back=False)
    with Simulator(network, minibatch_size=3, **declined, **quiet) as first:
        first.compile(tf.optimizers.SGD(0.2), loss={probe: "mse"})
        first.fit(X, {probe: Y}, verbose=0)
        trained = first.predict(X, verbose=0)[probe]
        with network:  # what is read differs now
            probes = [nengo.Probe(part) for part in (cell.u, cell.m, cell.h)]
        objects.update(probes)
        with Simulator(network, minibatch_size=3, **quiet) as second:
            values = second.predict(X, verbose=0)
        assert [values[p].shape[-1] for p in probes] == [1, ORDER, HIDDEN]
        assert is_unchanged()
        first.freeze_params(network)
    assert not is_unchanged()
    with Simulator(network, minibatch_size=3, **quiet) as sim:
        assert np.abs(sim.predict(X, verbose=0)[probe] - trained).max() < 1e-6


def test_trained_weights_can_be_read_as_of_any_connection():
    network, cell, probe = build(Windowed(STEPS), **ALL)
    path = cell.paths["hidden_kernel"]
    with Simulator(network, minibatch_size=3, **quiet) as sim:
        before = sim.data[path].weights
        sim.compile(tf.optimizers.SGD(0.2), loss={probe: "mse"})
        sim.fit(X, {probe: Y}, verbose=0)
        after = sim.data[path].weights
        sim.freeze_params(network)
    assert np.abs(before - ALL["hidden_kernel"]).max() < 1e-7
    assert np.abs(after - before).max() > 1e-4
    assert np.array_equal(cell.weights["hidden_kernel"], after)


@pytest.mark.parametrize("hidden_type", [None, tf.tanh], ids=["neurons", "function"])
def test_parts_of_a_cell_can_be_read_in_all_ways(hidden_type):
    network, cell, _ = build(hidden_type=hidden_type, **ALL)
    hidden = getattr(cell.hidden, "neurons", cell.hidden)
    parts = (cell.u, cell.memory.input, cell.m, cell.memory.output, cell.h, hidden)
    with network:
        probes = [nengo.Probe(part) for part in parts]
        copy = nengo.Node(size_in=HIDDEN)
        nengo.Connection(hidden, copy, synapse=None)
        probes.append(nengo.Probe(copy))
    results = []
    for realization in (Linear(), Windowed(STEPS)):
        realize(network, realization)
        with Simulator(network, minibatch_size=BATCH, **quiet) as sim:
            values = sim.predict(X, verbose=0)
        results.append([values[p] for p in probes])
    for linear, windowed in zip(*results, strict=True):
        assert np.abs(linear).max() > 0.1
        assert np.abs(linear - windowed).max() < 1e-5


def into_u(network, cell):
    nengo.Connection(network.nodes[0][0], cell.u, synapse=None)


def input_current(network, cell):
    nengo.Probe(cell.hidden.neurons, "input")


def inside_the_memory(network, cell):
    nengo.Probe(cell.memory.nodes[-1])


@pytest.mark.parametrize("change", [into_u, input_current, inside_the_memory])
def test_what_one_operator_does_not_have_is_refused(change):
    network, cell, _ = build(Windowed(STEPS), **ALL)
    with network:
        change(network, cell)
    with pytest.raises(ValidationError, match="from outside, but one operator"):
        Simulator(network, **quiet)


def test_reasons_are_told():
    def path(keep_history=False, **kwargs):
        network, *_ = build(Windowed(STEPS), **kwargs)
        with network:
            nengo_dl.configure_settings(keep_history=keep_history)
        with Simulator(network, **quiet) as sim:
            return sim.path, sim.path_reason

    assert path()[0] == "last step"
    assert path(True)[0] == "all steps"
    one_by_one = "one operator iterates over the steps"
    for kwargs, reason in (
        (ALL, "hidden_encoders, memory_encoders, hidden_kernel feed back"),
        ({"trainable": ["theta"]}, "theta trained"),
        ({"start": True}, "started from outside"),
    ):
        assert reason in path(**kwargs)[1] and one_by_one in path(**kwargs)[1]


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"memory_kernel": np.zeros((3, 3))}, r"shape \(4, 3\), got shape \(3, 3\)"),
        ({"bias": np.full(HIDDEN, np.nan)}, "NaN"),
        ({"hidden_kernel": "big"}, "got 'big'.*nengo distribution"),
        ({"trainable": ["hidden_kernel"]}, "must name some of .*got 'hidden_kernel'"),
        ({"hidden_type": 3}, "must be a Nengo neuron type.*got 3"),
        ({"realization": 3}, "must be Linear.*got 3"),
    ],
)
def test_wrong_arguments_are_refused(kwargs, message):
    with pytest.raises(ValidationError, match=message):
        build(**kwargs)


def test_wrong_weights_are_refused_and_nothing_changes():
    _, cell, _ = build(**ALL)
    before = cell.weights
    for change, message in (
        ({"bias": np.zeros(3)}, r"shape \(4,\), got shape \(3,\)"),
        ({"another": np.zeros(3)}, "must have the names.*another"),
    ):
        with pytest.raises(ValidationError, match=message):
            cell.weights = {**before, **change}
    for name, value in cell.weights.items():
        assert np.array_equal(value, before[name])


def test_a_spiking_hidden_type_is_refused_where_it_feeds_back():
    network, *_ = build(Windowed(STEPS), hidden_type=nengo.LIF(), **ALL)
    with pytest.raises(ValidationError, match="LIFRate.*to_spiking"):
        Simulator(network, **quiet)


def test_the_same_seed_draws_the_same_weights():
    for seed in (1, None):
        first, second = (build(seed=seed)[1].weights for _ in range(2))
        assert all(np.array_equal(first[k], second[k]) for k in first)
    other = build(seed=2)[1].weights
    assert not np.array_equal(first["memory_kernel"], other["memory_kernel"])
