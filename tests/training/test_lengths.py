"""Sequences of different lengths, steps that count nothing, and weights of classes."""

import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo.training import Simulator, nengo_dl

tf = pytest.importorskip("tensorflow")

LENGTHS = (7, 12, 4, 9, 12)
rng = np.random.RandomState(0)
X = [rng.randn(n, 2).astype(np.float32) for n in LENGTHS]
Y = [rng.randn(n, 3).astype(np.float32) for n in LENGTHS]
CLASSES = np.array([0, 2, 1, 1, 0])[:, None, None]


def build(keep_history=True, **cell):
    with nengo.Network(seed=0) as network:
        nengo_dl.configure_settings(keep_history=keep_history, trainable=None)
        network.x = nengo.Node(np.zeros(2), label="x")
        layer = lmu_nengo.LMUCell(
            2, memory_d=2, theta=0.01, order=3, hidden_d=5, bias=np.ones(5), **cell
        )
        nengo.Connection(network.x, layer.input, synapse=None)
        outputs = []
        for name in ("every", "class"):
            node = nengo.Node(size_in=3, label=name)
            weights = rng.randn(3, 5)
            nengo.Connection(layer.output, node, transform=weights, synapse=None)
            outputs.append(nengo.Probe(node, label=name))
        network.every, network.answer = outputs
    return network


def simulator(network, n_steps=12, minibatch_size=4, **loss):
    """A simulator in windowed realization, compiled with losses by name of the probe."""
    realization = lmu_nengo.Windowed(n_steps) if n_steps else lmu_nengo.Linear()
    lmu_nengo.realize(network, realization)
    sim = Simulator(network, minibatch_size=minibatch_size, seed=0, progress_bar=False)
    sim.compile(
        tf.optimizers.SGD(0.0),
        loss={getattr(network, name): value for name, value in loss.items()},
        metrics={getattr(network, name): "mae" for name in loss if name == "every"},
    )
    return sim


def alone(network, probe):
    """Outputs for each sequence by itself, step by step."""
    lmu_nengo.realize(network, lmu_nengo.Linear())
    with Simulator(network, minibatch_size=1, progress_bar=False) as sim:
        return [sim.predict(x[None], verbose=0)[probe][0] for x in X]


@pytest.fixture(scope="module")
def reference():
    network = build()
    return network, alone(network, network.every), alone(network, network.answer)


@pytest.mark.parametrize("n_steps", [12, 15, None])
def test_each_sequence_gives_what_it_gives_alone(reference, n_steps):
    network, expected, _ = reference
    with simulator(network, n_steps) as sim:
        outputs = sim.predict(X, verbose=0)[network.every]
    assert [len(y) for y in outputs] == list(LENGTHS)
    assert all(y.std(axis=0).max() > 0.02 for y in expected)
    for y, own in zip(outputs, expected, strict=True):
        assert np.abs(y - own).max() < 1e-5


def test_the_last_step_is_that_of_each_sequence(reference):
    network, _, expected = reference
    last = build(keep_history=False)
    for cell, other in zip(last.all_networks, network.all_networks, strict=True):
        if isinstance(cell, lmu_nengo.LMUCell):
            cell.weights = other.weights
    for conn, other in zip(last.connections, network.connections, strict=True):
        conn.transform = other.transform
    with simulator(last) as sim:
        assert sim.path == "last step"
        y = sim.predict(X, verbose=0)[last.answer]
    assert y.shape == (5, 1, 3)
    assert np.abs(y[:, 0] - [own[-1] for own in expected]).max() < 1e-5


@pytest.mark.parametrize("skip", [0, 3])
def test_losses_and_metrics_are_those_of_the_steps_that_count(reference, skip):
    network, outputs, _ = reference
    wrong = np.concatenate([(p - y)[skip:] for p, y in zip(outputs, Y, strict=True)])
    with simulator(network, every="mse") as sim:
        values = sim.evaluate(X, {network.every: Y}, skip=skip, verbose=0)
    assert values["loss"] == pytest.approx(np.mean(wrong**2), rel=1e-5)
    assert values["every_mae"] == pytest.approx(np.mean(np.abs(wrong)), rel=1e-5)


def test_lists_lengths_and_masks_say_the_same(reference):
    network, *_ = reference
    later = np.full((5, 14, 2), 9.0, np.float32)  # what is outside is not read
    targets = np.full((5, 14, 3), 9.0, np.float32)
    mask = np.zeros((5, 14), bool)
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        start = i % 3
        later[i, start : start + len(x)], targets[i, start : start + len(x)] = x, y
        mask[i, start : start + len(x)] = True
    first = [np.pad(x, [(0, 12 - len(x)), (0, 0)]) for x in X]
    same = [np.pad(y, [(0, 12 - len(y)), (0, 0)]) for y in Y]
    with simulator(network, every="mse") as sim:
        losses = [
            sim.evaluate(X, {network.every: Y}, verbose=0)["loss"],
            sim.evaluate(
                np.array(first), {network.every: np.array(same)}, lengths=LENGTHS, verbose=0
            )["loss"],
            sim.evaluate(later, {network.every: targets}, mask=mask, verbose=0)["loss"],
        ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_classes_are_weighted_with_several_probes(reference):
    network, outputs, answers = reference
    entropy = tf.losses.SparseCategoricalCrossentropy(from_logits=True)
    with simulator(network, minibatch_size=5, every="mse", answer=entropy) as sim:
        targets = {network.every: Y, network.answer: [np.full((n, 1), 1) for n in LENGTHS]}
        for i, (c, n) in enumerate(zip(CLASSES, LENGTHS, strict=True)):
            targets[network.answer][i] = np.full((n, 1), c[0, 0])
        weight = {0: 1.0, 1: 3.0, 2: 0.5}
        fitted = sim.fit(X, targets, class_weight={network.answer: weight}, verbose=0)
    total = counted = squared = n_values = 0
    for p, y, a, c in zip(outputs, Y, answers, CLASSES, strict=True):
        log_p = a - np.log(np.exp(a).sum(axis=1, keepdims=True))
        total -= weight[c[0, 0]] * log_p[:, c[0, 0]].sum()
        counted += weight[c[0, 0]] * len(a)
        squared += np.sum((p - y) ** 2)
        n_values += y.size
    expected = total / counted + squared / n_values
    assert fitted.history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_training_learns_from_sequences_of_all_lengths():
    network = build(keep_history=False)
    x = [np.full((n, 2), c, np.float32) for n in range(3, 13) for c in (-1, 1)]
    y = np.tile([0, 1], 10)[:, None, None]
    lmu_nengo.realize(network, lmu_nengo.Windowed(12))
    with Simulator(network, minibatch_size=6, seed=0, progress_bar=False) as sim:
        entropy = tf.losses.SparseCategoricalCrossentropy(from_logits=True)
        sim.compile(tf.optimizers.Adam(0.03), loss={network.answer: entropy})
        both = dict(x=x, y={network.answer: y}, validation_data=(x, {network.answer: y}))
        history = sim.fit(**both, epochs=25, verbose=0).history
        answers = sim.predict(x, verbose=0)[network.answer][:, 0].argmax(axis=1)
    assert np.array_equal(answers, y.ravel())
    assert history["val_loss"][-1] < 0.2 < history["val_loss"][0]


def test_what_does_not_stay_at_rest_is_named():
    network = build(hidden_encoders=np.ones((2, 5)))
    with (
        simulator(network) as sim,
        pytest.warns(UserWarning, match="LMUCell .* will be in another state"),
    ):
        sim.predict(X, verbose=0)


@pytest.mark.parametrize(
    "x, y, options, message",
    [
        (X, Y[:4], {}, "as many steps as the input"),
        (X, Y, {"skip": 12}, "leaves nothing of any sequence"),
        (X, Y, {"lengths": LENGTHS}, "lists of sequences have lengths of their own"),
        ([x[:, :1] for x in X[:1]] + X[1:], Y, {}, "the same size in each"),
        ([np.zeros((13, 2))], [np.zeros((13, 3))], {}, r"Windowed\(n_steps=13\)"),
        (
            np.zeros((5, 12, 2)),
            np.zeros((5, 12, 3)),
            {"lengths": [1]},
            "must be 5 integers",
        ),
        (
            np.zeros((1, 3, 2)),
            np.zeros((1, 3, 3)),
            {"mask": [[True, False, True]]},
            "must be successive",
        ),
    ],
)
def test_what_does_not_fit_is_refused(reference, x, y, options, message):
    network, *_ = reference
    with (
        simulator(network, every="mse") as sim,
        pytest.raises(ValidationError, match=message),
    ):
        sim.evaluate(x, {network.every: y}, verbose=0, **options)


def test_a_window_counted_in_steps_is_named():
    with nengo.Network(seed=0) as network:
        x = nengo.Node([0])
        cell = lmu_nengo.LMUCell(1, memory_d=1, theta=29, order=3, hidden_d=2)
        nengo.Connection(x, cell.input, synapse=None)
        probe = nengo.Probe(cell.output)
    lmu_nengo.realize(network, lmu_nengo.Windowed(29))
    with Simulator(network, minibatch_size=1, progress_bar=False) as sim:
        sim.compile("sgd", loss={probe: "mse"})
        with pytest.warns(UserWarning, match=r"29,000 steps.* have 29\..* theta=0\.029\."):
            sim.fit(np.zeros((1, 29, 1)), {probe: np.zeros((1, 29, 2))}, verbose=0)


def test_an_lstm_that_stays_as_it_is_is_named():
    with nengo.Network(seed=0) as network:
        x = nengo.Node([0])
        lstm = lmu_nengo.LSTM(1, 2, label="cells")
        nengo.Connection(x, lstm.input, synapse=None)
        out = nengo.Node(size_in=1)
        nengo.Connection(lstm.output, out, transform=[[1, 2]], synapse=None)
        probe = nengo.Probe(out)
    with Simulator(network, minibatch_size=1, progress_bar=False) as sim:
        sim.compile("sgd", loss={probe: "mse"})
        with pytest.warns(
            UserWarning, match="weights of .*cells.* stay as they are"
        ) as found:
            sim.fit(np.zeros((1, 3, 1)), {probe: np.zeros((1, 3, 1))}, verbose=0)
    assert found[-1].filename == __file__  # where the user called
