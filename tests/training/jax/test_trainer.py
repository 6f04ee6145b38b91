import subprocess
import sys
import warnings

import nengo
import numpy as np
import pytest
from nengo.exceptions import SimulationError, ValidationError

from lmu_nengo import LSTM, LegendreMemory, Linear, Windowed, realize
from lmu_nengo.processes import Dropout, GaussianNoise
from lmu_nengo.training import Trainer, configure_settings
from tests.training.jax.networks import BATCH, KINDS, N_STEPS, X, Y, build, targets

optax = pytest.importorskip("optax")

quiet = dict(progress_bar=False, seed=0)


def trained(network, loss="mse", optimizer="sgd", **kwargs):
    options = {"minibatch_size": BATCH, **quiet, **kwargs}
    trainer = Trainer(network, **options)
    trainer.compile(optimizer, loss={network.output: loss})
    return trainer


@pytest.mark.parametrize("kind", KINDS)
def test_windowed_equals_step_by_step(kind):
    network, found = build(kind), []
    for realization in (Windowed(N_STEPS), Linear()):
        realize(network, realization)
        trainer = trained(network)
        outputs = trainer.predict(X)[network.output]
        found.append((trainer, outputs, trainer.gradients(X, targets(kind))))
    (windowed, y, gradients), (by_step, y_by_step, gradients_by_step) = found
    assert windowed.path == ("last step" if kind == "last step" else "all steps")
    assert by_step.path == "step by step"
    assert y.shape == targets(kind).shape
    assert np.abs(y - y_by_step).max() < 1e-5 * np.abs(y).max()
    assert gradients.keys() == gradients_by_step.keys()
    for place, expected in gradients_by_step.items():
        error = np.abs(gradients[place] - expected).max()
        assert error < 1e-4 * max(np.abs(expected).max(), 1e-2), place


def test_an_lstm_that_stays_as_it_is_is_named():
    with nengo.Network(seed=0) as network:
        x, out = nengo.Node([0]), nengo.Node(size_in=1)
        lstm = LSTM(1, 2, label="cells")
        nengo.Connection(x, lstm.input, synapse=None)
        nengo.Connection(lstm.output, out, transform=[[1, 2]], synapse=None)
        network.output = nengo.Probe(out)
    data = np.ones((1, 3, 1)), {network.output: np.ones((1, 3, 1))}
    before = lstm.weights["kernel"].copy()
    with pytest.warns(UserWarning, match="weights of .*cells.* stay as they are") as found:
        trained(network, minibatch_size=1).fit(*data)
    assert found[-1].filename == __file__  # where the user called
    np.testing.assert_array_equal(lstm.weights["kernel"], before)
    realize(network, Windowed(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(network, minibatch_size=1).fit(*data)
    assert np.abs(lstm.weights["kernel"] - before).max() > 0


def test_the_first_path_is_chosen_and_told(capsys):
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    trainer = Trainer(network)
    assert trainer.path == "last step"
    assert trainer.path_reason in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["last step", "feedback"])
def test_core_nengo_gives_what_the_trained_network_gives(kind):
    network = build(kind)
    realize(network, Windowed(N_STEPS))
    trainer = trained(network, optimizer=optax.adam(0.02))
    before = trainer.evaluate(X, targets(kind))["loss"]
    trainer.fit(X, targets(kind), epochs=30)
    assert trainer.evaluate(X, targets(kind))["loss"] < 0.8 * before
    outputs = trainer.predict(X)[network.output]
    i = np.abs(outputs).sum(axis=(1, 2)).argmax()
    expected = outputs[i]
    realize(network, Linear())
    network.source.output = nengo.processes.PresentInput(X[i], 0.001)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(N_STEPS)
    output = sim.data[network.output][-len(expected) :]
    assert np.abs(output - expected).max() < 1e-4 * np.abs(expected).max()


def test_write_back_can_be_declined():
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    before = network.readout.transform.init.copy()
    trainer = trained(network, write_back=False)
    trainer.fit(X, targets("last step"))
    assert np.array_equal(network.readout.transform.init, before)
    trainer.freeze_params(network)
    assert not np.array_equal(network.readout.transform.init, before)


def with_noise(rate=0.5, std=0.3):
    """A memory, with dropout and noise between it and the read-out."""
    with nengo.Network(seed=0) as network:
        configure_settings(keep_history=False)
        source = nengo.Node(np.zeros(3))
        memory = LegendreMemory(0.02, 6, memory_d=3)
        dropout = nengo.Node(Dropout(rate, 18))
        noise = nengo.Node(GaussianNoise(std, 18))
        readout = nengo.Node(size_in=2)
        nengo.Connection(source, memory.input, synapse=None)
        nengo.Connection(memory.output, dropout, synapse=None)
        nengo.Connection(dropout, noise, synapse=None)
        nengo.Connection(noise, readout, transform=np.ones((2, 18)), synapse=None)
        network.output = nengo.Probe(readout)
    realize(network, Windowed(N_STEPS))
    return network


def test_the_same_seed_trains_bit_for_bit():
    results = []
    for seed in (0, 0, 1):
        trainer = trained(with_noise(), optimizer="adam", minibatch_size=2, seed=seed)
        trainer.fit(X, Y[:, -1:], epochs=3)
        results.append([np.asarray(x) for x in trainer.parameters])
    first, again, other = results
    assert all(map(np.array_equal, first, again))
    assert not all(map(np.array_equal, first, other))


def test_dropout_keeps_the_mean_and_acts_in_training_only():
    network = with_noise(rate=0.25, std=0.1)
    trainer = trained(network)
    assert np.array_equal(*(trainer.predict(X)[network.output] for _ in range(2)))
    ones = np.ones((4000, 18), np.float32)
    forward = trainer.batches.forward[True]
    dropout, noise = (
        next(op for op in trainer.built.order if type(op).__name__ == name)
        for name in ("SimDropout", "SimNoise")
    )
    values = {}
    for op in (dropout, noise):
        values[op] = changed(forward, op, ones)
    kept = values[dropout] != 0
    assert abs(kept.mean() - 0.75) < 0.01  # 72,000 values: a standard deviation of 0.0016
    assert np.allclose(values[dropout][kept], 1 / 0.75)
    added = values[noise] - 1
    assert abs(added.std() - 0.1) < 0.002 and abs(added.mean()) < 0.002


def changed(forward, op, rows):
    """What a random operator makes of rows."""
    import jax

    from lmu_nengo.engine.values import Values
    from lmu_nengo.training.jax.network.lowering import Lowering

    lower = Lowering(forward.model, [], True, False, None)
    step = lower(op)(op, forward.builder)
    key = jax.random.key_data(jax.random.key(0, impl="rbg"))

    def one(row):
        cuts = {op.reads[0].base: [0, 18], op.outputs[0].base: [0, 18]}
        inputs = {lower.key: key, forward.builder.step_number: np.int32(1)}
        values = Values(lambda *_: row, cuts, {}, inputs, np.float32)
        step(values)
        return values.read(op.outputs[0])

    return np.asarray(jax.vmap(one)(rows))


def test_sequences_of_different_lengths_give_what_each_gives_alone():
    network = build("all steps")
    realize(network, Windowed(N_STEPS))
    trainer = trained(network)
    lengths = [5, 20, 12]
    parts = [x[:n] for x, n in zip(X, lengths, strict=False)]
    together = trainer.predict(parts)[network.output]
    assert [len(y) for y in together] == lengths
    for x, y in zip(parts, together, strict=True):
        alone = trainer.predict([x])[network.output][0]
        assert np.abs(y - alone).max() < 1e-5


def test_weights_count_what_they_say():
    network = build("all steps")
    realize(network, Windowed(N_STEPS))
    trainer = trained(network)
    errors = (trainer.predict(X)[network.output] - Y) ** 2
    assert trainer.evaluate(X, Y)["loss"] == pytest.approx(errors.mean(), rel=1e-5)
    skipped = trainer.evaluate(X, Y, skip=7)["loss"]
    assert skipped == pytest.approx(errors[:, 7:].mean(), rel=1e-5)
    lengths = [20, 3, 9, 14]
    padded = trainer.evaluate(X, Y, lengths=lengths)["loss"]
    shown = trainer.predict(X, lengths=lengths)[network.output]
    own = [(y - t[: len(y)]) ** 2 for y, t in zip(shown, Y, strict=True)]
    assert padded == pytest.approx(np.concatenate(own).mean(), rel=1e-5)


def test_any_number_of_sequences_is_evaluated():
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    trainer = trained(network, minibatch_size=3)  # does not divide 4
    errors = (trainer.predict(X)[network.output] - Y[:, -1:]) ** 2
    found = trainer.evaluate(X, Y[:, -1:])["loss"]
    assert found == pytest.approx(errors.mean(), rel=1e-5)


def test_classes_losses_and_metrics():
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    classes = np.array([0, 1, 1, 0])[:, None, None]
    dense = np.eye(2)[classes[:, :, 0]]
    outputs = Trainer(network, **quiet).predict(X)[network.output][:, 0]
    p = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    expected = -np.log(p[np.arange(4), classes[:, 0, 0]]).mean()
    right = np.mean(outputs.argmax(axis=1) == classes[:, 0, 0])
    for loss, y in (
        ("sparse_categorical_crossentropy", classes),
        ("categorical_crossentropy", dense),
    ):
        trainer = Trainer(network, minibatch_size=BATCH, **quiet)
        trainer.compile(loss={network.output: loss}, metrics={network.output: "accuracy"})
        found = trainer.evaluate(X, y)
        assert found["loss"] == pytest.approx(expected, rel=1e-5)
        assert found["output_accuracy"] == right


def test_tensorflow_is_never_imported():
    code = (
        "import sys\n"
        "from tests.training.jax.networks import *\n"
        "from lmu_nengo import Windowed, realize\n"
        "from lmu_nengo.training import Trainer\n"
        "network = build('last step')\n"
        "realize(network, Windowed(N_STEPS))\n"
        "trainer = Trainer(network, minibatch_size=4)\n"
        "trainer.compile(loss={network.output: 'mse'})\n"
        "trainer.fit(X, targets('last step'))\n"
        "print(sorted({'tensorflow', 'nengo_dl', 'tf_keras'} & sys.modules.keys()))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "[]", run.stderr


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(surrogate="square"), "surrogate: must be one of 'rates', 'triangle'"),
        (dict(surrogate="triangle"), "surrogate: must be 'rates' with Windowed memories"),
        (dict(minibatch_size=0), "minibatch_size: must be an integer of at least 1"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    with pytest.raises(ValidationError, match=message):
        Trainer(network, **{**quiet, **change})


@pytest.mark.parametrize(
    "x, y, message",
    [
        (X[:, :10], Y[:, -1:], "source: the data must have 20 steps"),
        (X[:, :, :2], Y[:, -1:], "source: the data must have 3 dimensions"),
        (X * np.nan, Y[:, -1:], "source: the data must be finite"),
        (X, Y, r"output: must be numbers of shape \(4, 1, 2\)"),
        ({"sauce": X}, Y[:, -1:], "x: must be given for 'source', got 'sauce'"),
        (X, None, "y: must hold targets for output"),
        (X[:2], Y[:2, -1:], "x: must have at least 4 sequences"),
    ],
)
def test_data_that_do_not_fit_are_named(x, y, message):
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    trainer = trained(network)
    with pytest.raises(ValidationError, match=message):
        trainer.fit(x, y)


def test_what_has_a_state_is_refused_beside_windowed_memories():
    network = build("all steps")
    with network:
        node = nengo.Node(size_in=2)
        nengo.Connection(network.output.obj, node, synapse=0.01)
    realize(network, Windowed(N_STEPS))
    with pytest.raises(ValidationError, match="has a state"):
        Trainer(network, **quiet)


def test_a_loss_that_is_not_finite_ends_training_and_leaves_the_network(recwarn):
    network = build("all steps")
    realize(network, Windowed(N_STEPS))
    trainer = trained(network, optimizer=optax.sgd(1e20))
    before = network.readout.transform.init.copy()
    calls = []
    with pytest.raises(
        SimulationError, match="loss is (inf|nan) in epoch 2.*clip_by_global"
    ):
        trainer.fit(X, Y, epochs=5, callbacks=[lambda *args: calls.append(args)])
    assert len(calls) == 1 and np.isfinite(calls[0][1]["loss"])
    assert np.array_equal(network.readout.transform.init, before)
    assert not [w for w in recwarn if "not written" in str(w.message)]


def test_loss_must_be_chosen_first():
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    with pytest.raises(ValidationError, match=r"call compile\(optimizer, loss=...\)"):
        Trainer(network, **quiet).fit(X, Y[:, -1:])


def test_a_function_of_jax_arrays_may_be_the_hidden_type():
    import jax

    from lmu_nengo import LMUCell

    with nengo.Network(seed=0) as network:
        source = nengo.Node(np.zeros(3))
        cell = LMUCell(
            3, memory_d=1, theta=0.02, order=4, hidden_d=5, hidden_type=jax.nn.gelu
        )
        nengo.Connection(source, cell.input, synapse=None)
        network.output = nengo.Probe(cell.output)
    realize(network, Windowed(N_STEPS))
    trainer = trained(network)
    trainer.fit(X, np.ones((BATCH, N_STEPS, 5)), epochs=2)
    windowed = trainer.predict(X)[network.output][0]
    realize(network, Linear())
    source.output = nengo.processes.PresentInput(X[0], 0.001)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(N_STEPS)
    assert np.abs(windowed - sim.data[network.output]).max() < 1e-5
