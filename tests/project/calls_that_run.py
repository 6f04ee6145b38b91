"""Valid arguments of public callables that run networks, and of methods."""

import functools
from pathlib import Path

import nengo
import numpy as np

import lmu_nengo
from lmu_nengo import (
    conversion,
    engine,
    estimators,
    io,
    layers,
    memory,
    nef,
    processes,
    signal,
    streaming,
    targets,
    viz,
)
from tests.project.fuzz_cases import keras_file

DT = 0.001
STEPS = 6


def two_probes_network():
    """A network with a node, a memory, a read-out and a probe."""
    with nengo.Network(seed=0) as network:
        network.input = nengo.Node([0.0], label="u")
        network.memory = lmu_nengo.LegendreMemory(0.02, 3)
        network.y = nengo.Node(size_in=2)
        nengo.Connection(network.input, network.memory.input, synapse=None)
        weights = np.ones((2, 3))
        network.connection = nengo.Connection(
            network.memory.output, network.y, transform=weights, synapse=None
        )
        network.probe = nengo.Probe(network.y)
    return network


def firing_network():
    """A network with neurons."""
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0.5])
        ens = nengo.Ensemble(10, 1)
        nengo.Connection(u, ens)
        network.probe = nengo.Probe(ens)
    return network


def cells():
    """An encoder and a decoder without a network."""
    options = dict(memory_d=1, theta=0.02, order=3, hidden_d=2, add_to_container=False)
    return lmu_nengo.LMUCell(1, **options), lmu_nengo.LMUCell(1, **options, start=True)


def methods(folder):
    """Methods of objects that do not run."""
    outside = {"add_to_container": False}
    held = lmu_nengo.LegendreMemory(0.02, 3, **outside)
    A, B = signal.state_space(0.02, 3)
    Ad, Bd = signal.discretize(A, B, DT)
    spiking = lmu_nengo.Spiking(30)
    eye = np.eye(3)
    coordinates = nef.Coordinates(eye, eye, Ad, Bd)
    uniform = nengo.dists.Uniform
    trajectory = np.random.RandomState(0).uniform(-1, 1, (50, 2))
    neurons = dict(
        neuron_type=nengo.LIF(),
        max_rates=uniform(200, 400),
        intercepts=uniform(-0.5, 0.5),
        solver=nengo.solvers.LstsqL2(),
    )
    groups = [slice(0, 1), slice(1, 2)]
    shares = dict(trajectory=trajectory, groups=groups, shares=[20, 20])
    monitored = two_probes_network()
    lmu_nengo.realize(monitored, spiking)
    cell, lstm = cells()[0], lmu_nengo.LSTM(1, 2, **outside)
    held_d = lmu_nengo.LegendreMemory(0.02, 3, **outside)
    counted = firing_network()
    counter = conversion.SpikeCounter(counted)
    with nengo.Simulator(counted, progress_bar=False) as sim:
        sim.run_steps(3)
    monitor = memory.RangeMonitor(monitored)
    with nengo.Simulator(monitored, progress_bar=False) as watched:
        watched.run_steps(3)
    model = nef.InputModel(nef.Band(5.0, 0.3), 0.02, Ad, Bd, DT)
    state_space = dict(theta=0.03, A=A * 0.02, B=B * 0.02)
    view = dict(theta=0.02, order=3, dt=DT, channels=[0], limits=None, unit=None)
    return {
        "LegendreMemory.discrete": (held.discrete, dict(discretizer="zoh")),
        "LegendreMemory.going_on_from": (
            held.going_on_from,
            dict(m=np.zeros(3), discretizer="zoh"),
        ),
        "LegendreMemory.realize": (held_d.realize, dict(realization=memory.Linear())),
        "LegendreMemory.set_state_space": (held_d.set_state_space, state_space),
        "LMUCell.realize": (cell.realize, dict(realization=memory.Linear())),
        "LSTM.realize": (lstm.realize, dict(realization=memory.Linear())),
        "RealizableNetwork.realize": (held_d.realize, dict(realization=memory.Linear())),
        "RealizableNetwork": (memory.RealizableNetwork, dict(label=None, seed=1)),
        "Spiking.noise_energy": (
            spiking.noise_energy,
            dict(Ad=Ad, energy=eye, synapse=nengo.Lowpass(0.1), dt=DT),
        ),
        "Spiking.synapse_for": (spiking.synapse_for, dict(memory=held)),
        "Coordinates.widen": (coordinates.widen, dict(factors=np.ones(3))),
        "InputModel.largest": (model.largest, dict(transform=eye)),
        "Band.process": (nef.Band(5.0, 0.3).process, dict(duration=1.0, dt=DT)),
        "Recording.channel": (nef.Recording(np.ones((5, 2))).channel, dict(index=1)),
        "Response.coefficients": (nef.Response(0.0, 0.0, 0.1).coefficients, dict(dt=DT)),
        "make_neurons": (nef.make_neurons, shares | neurons),
        "RangeMonitor.excursions": (
            monitor.excursions,
            dict(data=watched.data, dt=DT),
        ),
        "SpikeCounter.counts": (counter.counts, dict(data=sim.data, dt=DT)),
        "Sequence": (processes.Sequence, dict(size_in=2, size_out=2, parameters=None)),
        "Sequence.update": (
            processes.Sequence(1, 1, {"a": np.ones(2)}, ["a"]).update,
            dict(trained={"a": np.zeros(2)}),
        ),
        "pad_front": (signal.pad_front, dict(sequences=[np.ones((3, 1))], n_steps=5)),
        "Glorot": (layers.Glorot, {}),
        "Staggered": (nef.Staggered, {}),
        "Readout": (
            layers.Readout,
            dict(weights=eye, bias=np.zeros(3), label=None, add_to_container=False),
        ),
        "WindowView": (viz.WindowView, view),
        "jax_function": (engine.jax_function, dict(function=len)),
        "register": (engine.register, dict(operator=nengo.builder.operator.Copy)),
        "write_atomically": (
            io.write_atomically,
            dict(path=folder / "out.txt", content=b"", previous=folder / "before.txt"),
        ),
        "DamagedFileError": (io.DamagedFileError, dict(path="a.npz", reason="empty")),
    }


def from_keras_case(folder):
    """Arguments of from_keras_lmu."""
    path = Path(folder, "model.h5")
    path.write_bytes(keras_file("h5")[0])
    return lmu_nengo.from_keras_lmu, dict(source=path, config=None, dt=DT)


def encoder_decoder(**arguments):
    """Make an EncoderDecoder within a network."""
    with nengo.Network(seed=0):
        lmu_nengo.EncoderDecoder(**arguments)


def fitted_network(**arguments):
    """Fit a read-out to a network."""
    with nengo.Network():
        conversion.fit_readout(**arguments)


def readout_arguments():
    """Arguments of fit_readout."""
    network = two_probes_network()
    x = np.random.RandomState(0).randn(6, STEPS, 1)
    own = dict(network=network, x=x, y=x[:, -1], source=network.memory)
    return own | dict(skip=0, read=1, alphas=[1.0], label="y")


def engine_cases():
    """The compiled engine and its methods."""
    network = two_probes_network()
    sim = engine.Simulator(network, progress_bar=False)
    data = {network.input: np.ones((STEPS, 1))}
    run = dict(progress_bar=None, data=data)

    def simulator(**arguments):
        engine.Simulator(**arguments).close()

    def set_state(**arguments):
        state = sim.get_state()
        sim.set_state(**{"arrays": state, "n_steps": 3, **arguments})

    options = dict(
        network=network,
        dt=DT,
        seed=1,
        model=None,
        progress_bar=False,
        optimize=True,
        minibatch_size=2,
        precision="float32",
        devices=None,
    )
    return {
        "engine.Simulator": (simulator, options),
        "engine.Simulator.reset": (sim.reset, dict(seed=1)),
        "engine.Simulator.run": (sim.run, dict(run, time_in_seconds=STEPS * DT)),
        "engine.Simulator.run_steps": (sim.run_steps, dict(run, steps=STEPS)),
        "engine.Simulator.push": (sim.push, dict(data={network.input: [1.0]})),
        "engine.Simulator.get_state": (sim.get_state, dict(is_complete=True)),
        "engine.Simulator.set_state": (set_state, dict(arrays=sim.get_state(), n_steps=3)),
    }


def stream_cases(folder):
    """Streams and their methods."""
    network = two_probes_network()
    stream = streaming.Stream(network, n_streams=2, engine="core")
    stream.save(path := folder / "state.npz")
    stream.save(one := folder / "one.npz", stream=0)

    def make(**arguments):
        streaming.Stream(**arguments).close()

    options = dict(
        network=network,
        input=network.input,
        output=network.probe,
        n_streams=2,
        engine="core",
        dt=DT,
        seed=1,
    )
    return {
        "Stream": (make, options),
        "Stream.push": (stream.push, dict(x=np.ones((2, 1)))),
        "Stream.reset": (stream.reset, dict(stream=1)),
        "Stream.save": (stream.save, dict(path=path, stream=None)),
        "Stream.load": (stream.load, dict(path=one, stream=1)),
    }


def training_cases(folder):
    """NengoDL's simulator with its methods, and what belongs to it."""
    from lmu_nengo.training import Checkpoint, FiringRates, Simulator

    network = two_probes_network()
    lmu_nengo.realize(network, lmu_nengo.Windowed(STEPS))
    sim = Simulator(network, seed=0, progress_bar=False)
    sim.compile("sgd", loss={network.probe: "mse"})
    x, y = np.ones((4, STEPS, 1)), np.ones((4, STEPS, 2))
    data = dict(x=x, n_steps=STEPS, stateful=False, lengths=None, mask=None)
    other = Simulator(network, seed=0, progress_bar=False)
    target = {network.probe: y}
    fit = dict(data, y=target, skip=0)

    def simulator(**arguments):
        with Simulator(progress_bar=False, **arguments):
            pass

    def call(method):
        return functools.partial(method, verbose=0)

    options = dict(
        network=network,
        dt=DT,
        seed=1,
        minibatch_size=2,
        spikes_in_training=False,
        write_back=True,
    )
    checkpoint = dict(sim=sim, path=folder / "checkpoint.npz", monitor="loss")
    checkpoint |= dict(resume=False, settings={}, mode="min")
    compiled = dict(
        optimizer="sgd",
        loss=target | {network.probe: "mse"},
        metrics=None,
        loss_weights=None,
    )
    return {
        "training.Simulator": (simulator, options),
        "training.Simulator.compile": (other.compile, compiled),
        "training.Simulator.fit": (
            call(sim.fit),
            dict(fit, class_weight=None),
        ),
        "training.Simulator.evaluate": (call(sim.evaluate), dict(fit)),
        "training.Simulator.predict": (call(sim.predict), dict(data)),
        "training.Simulator.check_data": (
            sim.check_data,
            dict(data={network.input: x}, n_steps=STEPS, is_input=True),
        ),
        "training.Simulator.freeze_params": (sim.freeze_params, dict(objs=network)),
        "training.Simulator.run_steps": (
            sim.run_steps,
            dict(n_steps=STEPS, data={network.input: x[:1]}),
        ),
        "Checkpoint": (Checkpoint, checkpoint),
        "FiringRates": (FiringRates, dict(target=100.0, weight=1.0)),
    }


def trainer_cases(folder):
    """The trainer of JAX with its methods, and its callbacks."""
    import jax

    from lmu_nengo.training.jax import Checkpoint, EarlyStopping, Trainer

    network = two_probes_network()
    lmu_nengo.realize(network, lmu_nengo.Windowed(STEPS))
    trainer, other = (Trainer(network, seed=0, progress_bar=False) for _ in range(2))
    for each in (trainer, other):
        each.compile("sgd", loss={network.probe: "mse"})
    x, y = np.ones((4, STEPS, 1)), np.ones((4, STEPS, 2))
    data = dict(x=x, lengths=None, mask=None)
    tested = dict(data, y={network.probe: y}, skip=0)
    # no epochs: a million of them are allowed, and take long
    fit = dict(tested, initial_epoch=0, validation_data=(x, y), callbacks=())
    fit |= dict(shuffle=True, sample_weight=None, class_weight=None)
    options = dict(
        network=network,
        dt=DT,
        seed=1,
        minibatch_size=2,
        surrogate="rates",
        spikes_in_training=False,
        write_back=True,
        progress_bar=False,
        devices=jax.devices(),
    )
    compiled = dict(optimizer="sgd", loss={network.probe: "mse"}, metrics=None)
    stopping = dict(trainer=trainer, monitor="loss", patience=1, mode="min")
    checkpoint = dict(trainer=trainer, path=folder / "trainer.npz", monitor="loss")
    checkpoint |= dict(resume=False, settings={}, mode="min", patience=None)
    logs = dict(epoch=0, logs={"loss": 1.0})
    return {
        "Trainer": (Trainer, options),
        "Trainer.compile": (
            other.compile,
            dict(compiled, loss_weights=None, change_inputs=None),
        ),
        "Trainer.fit": (trainer.fit, fit),
        "Trainer.evaluate": (trainer.evaluate, dict(tested)),
        "Trainer.predict": (trainer.predict, dict(data)),
        "Trainer.freeze_params": (trainer.freeze_params, dict(objs=network)),
        "jax.EarlyStopping": (EarlyStopping, stopping),
        "jax.Checkpoint": (Checkpoint, checkpoint),
        "jax.EarlyStopping.__call__": (
            lambda **kw: EarlyStopping(**stopping)(**kw),
            logs,
        ),
    }


def estimator_cases():
    """Estimators: settings are checked when they are fitted."""
    rng = np.random.RandomState(0)
    X, y = rng.randn(12, 20, 1), np.arange(12) % 2
    common = dict(theta=0.02, order=4, dt=DT)
    last = dict(alpha=1.0, random_state=0)

    def fit(kind, y):
        return lambda **settings: kind(**settings).fit(X, y)

    found = {}
    for kind, own, target in (
        (estimators.LegendreFeatures, dict(common, standardize=True), None),
        (estimators.LMUClassifier, dict(common, hidden_d=8, **last), y),
        (
            estimators.LMURegressor,
            dict(common, hidden_d=0, horizon=None, difference=True, **last),
            y / 2,
        ),
    ):
        name = f"estimators.{kind.__name__}"
        found[name] = fit(kind, target), own
        given = dict(X=X, y=target)
        made = kind(theta=0.02, order=4)
        fitted = kind(theta=0.02, order=4).fit(X, target)
        found[f"{name}.fit"] = made.fit, given
        if target is None:
            found[f"{name}.transform"] = fitted.transform, dict(X=X)
            continue
        found[f"{name}.predict"] = fitted.predict, dict(X=X)
        more = dict(classes=[0, 1]) if kind is estimators.LMUClassifier else {}
        found[f"{name}.partial_fit"] = kind(theta=0.02, order=4).partial_fit, given | more
        found[f"{name}.run_on"] = fitted.run_on, dict(target="core", X=X[:1])
        spiking = dict(X=X[:4], hold=1, n_neurons=20, rate=200.0, neuron_type=nengo.LIF())
        found[f"{name}.to_spiking"] = fitted.to_spiking, spiking
        if kind is estimators.LMUClassifier:
            found[f"{name}.decision_function"] = fitted.decision_function, dict(X=X)
        else:
            found[f"{name}.score"] = fitted.score, given | dict(sample_weight=None)
    return found


def target_cases(folder):
    """Targets that need a package of their own."""
    from lmu_nengo.targets import loihi, nir
    from tests.targets.nir.nir_examples import make_delay, small_graph

    graph, x = small_graph(), np.ones((3, 2, 2))
    network, *_ = make_delay(0, nir.StepLIF(), n_neurons=40, seconds=1.0)
    nir.write_nir(path := folder / "small.nir", graph)
    spikes = nir.simulate_graph(graph, x).spikes
    core = targets.load("core").Simulator
    plain = firing_network()
    band = nef.Band(2.0, 0.3)
    uniform = nengo.dists.Uniform

    def on_chip(**arguments):
        realization = loihi.OnChip(**arguments)
        lmu_nengo.LegendreMemory(0.1, 3, realization=realization, add_to_container=False)

    chip = dict(
        n_neurons=30,
        tau=0.1,
        expected_input=band,
        radius=1.0,
        input_range=None,
        coordinates="balanced",
        state_d=3,
        points=None,
        margin=1.0,
        max_rates=uniform(200, 250),
        intercepts=uniform(-0.5, 0.5),
        solver=nengo.solvers.LstsqL2(),
        discretizer="zoh",
        deployed=False,
        graded=None,
    )

    def target(**arguments):
        with core(**arguments):
            pass

    running = core(plain)
    with_loihi = dict(network=plain, dt=DT, seed=1, count_spikes=False)

    def on_loihi(**arguments):
        with loihi.Simulator(**arguments):
            pass

    lif = dict(tau_syn=0.1, tau_mem=0.02, r=1.0, v_leak=0.0, v_threshold=1.0)
    return {
        "TargetSimulator": (target, dict(network=plain, dt=DT, seed=1, count_spikes=True)),
        "TargetSimulator.check": (core.check, dict(network=plain, dt=DT)),
        "TargetSimulator.prepare": (core.prepare, dict(network=plain, dt=DT, seed=1)),
        "TargetSimulator.run": (running.run, dict(duration=0.003)),
        "OnChip": (on_chip, chip),
        "loihi.Simulator": (on_loihi, with_loihi),
        "StepLIF": (nir.StepLIF, dict(tau_rc=0.02, dt=DT, amplitude=1.0)),
        "CubaLIF": (nir.CubaLIF, dict(lif, v_reset=0.0, w_in=1.0, amplitude=1.0)),
        "export_nir": (
            nir.export_nir,
            dict(network=network, output=None, dt=DT, seed=1, inputs=()),
        ),
        "import_nir": (nir.import_nir, dict(graph=graph, dt=DT, label="nir")),
        "read_nir": (nir.read_nir, dict(path=path, largest=2**20)),
        "write_nir": (nir.write_nir, dict(path=path, graph=graph)),
        "simulate_graph": (
            nir.simulate_graph,
            dict(graph=graph, x=x, dt=DT, dtype=np.float64, follow=None),
        ),
        "agreement": (nir.agreement, dict(spikes=spikes, reference=spikes)),
    }


def cases(folder):
    """
    Valid arguments of callables that run networks.

    Parameters
    ----------
    folder : pathlib.Path
        Folder for files.

    Returns
    -------
    cases : dict of {str: callable}
        By the name of the group: a function that returns, by name, a callable and its
        arguments. Groups are made when they are needed, as some import much.
    """
    first, second = (functools.partial(f, folder) for f in (methods, training_cases))

    def few():
        encoder, decoder = cells()
        encoding = dict(label=None, seed=1, add_to_container=False)
        encoding |= dict(encoder=encoder, decoder=decoder, n_source=3)
        return {
            "EncoderDecoder": (encoder_decoder, encoding),
            "from_keras_lmu": from_keras_case(folder),
            "fit_readout": (fitted_network, readout_arguments()),
        }

    return {
        "methods": first,
        "few": few,
        "engine": engine_cases,
        "stream": functools.partial(stream_cases, folder),
        "estimators": estimator_cases,
        "targets": functools.partial(target_cases, folder),
        "trainer": functools.partial(trainer_cases, folder),
        "training": second,  # last: TensorFlow's threads need address space
    }
