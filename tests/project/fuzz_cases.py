"""A valid file for every reader, what reads it, and how it can be forged."""

import io
import json
import zipfile
from typing import NamedTuple

import nengo
import numpy as np
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo.io.saved_networks import parameters_of, parts
from tests.project.forging import (
    any_json,
    changed_bytes,
    forge_archive,
    forge_hdf5,
    forge_npz,
)


class Case(NamedTuple):
    """A valid file, what reads it, and how it can be forged."""

    content: bytes
    read: object  # the path -> arrays
    forge: object  # the content, random numbers -> content, whether it may be valid
    is_checked: bool = True  # whether a checksum finds any other byte


def network_example():
    """A network with all that has parameters."""
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0.0], label="u")
        memory = lmu_nengo.LegendreMemory(0.02, 3)
        cell = lmu_nengo.LMUCell(1, memory_d=1, theta=0.02, order=3, hidden_d=2)
        lstm = lmu_nengo.LSTM(2, 2)
        decoded = nengo.Ensemble(8, 1, gain=np.ones(8), bias=np.zeros(8))
        decoded.encoders = np.ones((8, 1))
        out = nengo.Node(size_in=2)
        nengo.Connection(u, memory.input, synapse=None)
        nengo.Connection(u, cell.input, synapse=None)
        nengo.Connection(cell.output, lstm.input, synapse=None)
        nengo.Connection(memory.output, decoded.neurons, transform=np.ones((8, 3)))
        solver = nengo.solvers.NoSolver(np.ones((8, 2)))
        nengo.Connection(decoded, out, solver=solver, function=lambda x: np.zeros(2))
        network.probe = nengo.Probe(out)
    return network


def parameters(network):
    """All arrays of a network."""
    found = (parameters_of(part) for _, part in parts(network))
    return [np.asarray(value) for own in found for value in own.values()]


def network_case(folder, build=None):
    """Saved networks."""
    path = folder / "valid.npz"
    lmu_nengo.save_network(network_example(), path)

    def read(path):
        return parameters(lmu_nengo.load_network(path, build))

    return Case(path.read_bytes(), read, forge_archive)


def built_network_case(folder):
    """Saved networks for which there is a function."""
    return network_case(folder, network_example)


def stream_case(folder):
    """States of streams."""
    path = folder / "valid.npz"
    with nengo.Network(seed=0) as network:
        u = nengo.Node([0.0])
        memory = lmu_nengo.LegendreMemory(0.02, 3)
        nengo.Connection(u, memory.input, synapse=None)
        nengo.Probe(memory.output)
    stream = lmu_nengo.Stream(network, engine="core")
    stream.push([[1.0]] * 3)
    stream.save(path)

    def read(path):
        stream.load(path)
        return stream._steps.get_state()

    return Case(path.read_bytes(), read, forge_archive)


def windowed_example():
    """A network that is trained on whole sequences, and its probe."""
    with nengo.Network(seed=0) as network:
        u, y = nengo.Node([0.0]), nengo.Node(size_in=1)
        memory = lmu_nengo.LegendreMemory(0.02, 3, realization=lmu_nengo.Windowed(4))
        nengo.Connection(u, memory.input, synapse=None)
        nengo.Connection(memory.output, y, transform=np.ones((1, 3)), synapse=None)
        return network, nengo.Probe(y)


def checkpoint_case(folder):
    """Checkpoints of a training by NengoDL."""
    from lmu_nengo.training import Checkpoint, Simulator

    path = folder / "valid.npz"
    network, probe = windowed_example()
    sim = Simulator(network, seed=0, progress_bar=False)
    sim.compile("adam", loss={probe: "mse"})
    x = np.ones((4, 4, 1))
    saved = Checkpoint(sim, path, "loss", mode="min")
    sim.fit(x, {probe: x}, epochs=2, callbacks=[saved], verbose=0)

    def read(path):
        read = Checkpoint(sim, path, "loss", resume=True, mode="min")
        groups = *read._variables.values(), read.best_weights or []
        return [np.asarray(value) for group in groups for value in group]

    return Case(path.read_bytes(), read, forge_archive)


def trainer_case(folder):
    """Checkpoints of a training by the Trainer."""
    import jax

    from lmu_nengo.training.jax import Checkpoint, Trainer

    path = folder / "valid.npz"
    network, probe = windowed_example()
    trainer = Trainer(network, seed=0, progress_bar=False)
    trainer.compile("adam", loss={probe: "mse"})
    x = np.ones((4, 4, 1))
    saved = Checkpoint(trainer, path, "loss", mode="min")
    trainer.fit(x, {probe: x}, epochs=2, callbacks=[saved])

    def read(path):
        read = Checkpoint(trainer, path, "loss", resume=True, mode="min")
        state = trainer.parameters, trainer.optimizer_state, read.best_parameters
        return [np.asarray(value) for value in jax.tree.leaves(state)]

    return Case(path.read_bytes(), read, forge_archive)


def mnist_case(folder):
    """Images."""
    buffer = io.BytesIO()
    rng = np.random.RandomState(0)
    parts = {"train": 4, "test": 2}
    x = {f"x_{k}": rng.randint(256, size=(n, 28, 28)) for k, n in parts.items()}
    y = {f"y_{k}": rng.randint(10, size=n) for k, n in parts.items()}
    arrays = {name: value.astype(np.uint8) for name, value in (x | y).items()}
    np.savez_compressed(buffer, **arrays)

    def read(path):
        return list(lmu_nengo.datasets.load_mnist(path)[1:])

    return Case(buffer.getvalue(), read, forge_npz)


def nir_case(folder):
    """NIR files."""
    from lmu_nengo.targets.nir import read_nir, write_nir
    from tests.targets.nir.nir_examples import small_graph

    path = folder / "valid.nir"
    write_nir(path, small_graph())

    def read(path):
        nodes = read_nir(path).nodes.values()
        return [
            value
            for node in nodes
            for value in vars(node).values()
            if isinstance(value, np.ndarray)
        ]

    def forge(content, rng):
        return forge_hdf5(content, rng, "node/nodes")

    return Case(path.read_bytes(), read, forge, is_checked=False)


KERAS = {
    "memory_d": 2,
    "order": 3,
    "theta": 9,
    "hidden_cell": {
        "class_name": "SimpleRNNCell",
        "config": {"name": "rnn", "units": 4, "activation": "tanh"},
    },
    "hidden_to_memory": True,
    "memory_to_memory": True,
    "input_to_hidden": True,
    "name": "lmu",
}
WEIGHTS = {"layer/cell": [(5, 2), (6, 2)], "hidden_cell": [(7, 4), (4, 4), (4,)]}


def keras_weights(group):
    """Write weights as Keras does."""
    for owner, shapes in WEIGHTS.items():
        for i, shape in enumerate(shapes):
            group[f"{owner}/vars/{i}"] = np.full(shape, 0.5 + i)


def keras_file(name):
    """The content of an HDF5 file that Keras could have written."""
    import h5py

    config = {"config": {"layers": [{"class_name": "LMU", "config": KERAS}]}}
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if name == "h5":
            file.attrs["model_config"] = json.dumps(config)
            names = ["kernel", "recurrent_kernel", "rnn/kernel"]
            names += ["rnn/recurrent_kernel", "rnn/bias"]
            shapes = [shape for own in WEIGHTS.values() for shape in own]
            for i, (path, shape) in enumerate(zip(names, shapes, strict=True)):
                file[f"model_weights/lmu/lmu/{path}:0"] = np.full(shape, 0.5 + i)
        else:
            keras_weights(file.create_group("layers/lmu"))
    return buffer.getvalue(), json.dumps(config)


def read_keras(path):
    """Read a model of keras-lmu."""
    return parameters(lmu_nengo.from_keras_lmu(path))


def keras_h5_case(folder):
    """Models of keras-lmu in the older format."""

    def forge(content, rng):
        return forge_hdf5(content, rng, "model_weights/lmu")

    return Case(keras_file("h5")[0], read_keras, forge, is_checked=False)


def keras_case(folder):
    """Models of keras-lmu."""
    weights, config = keras_file("keras")

    def packed(config, weights):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            file.writestr("config.json", config)
            file.writestr("model.weights.h5", weights)
        return buffer.getvalue()

    def forge(content, rng):
        if rng.randint(3):
            forged, may_be_valid = forge_hdf5(weights, rng, "layers")
            return packed(config, forged), may_be_valid
        changed = json.loads(config)
        place = changed["config"]["layers"][0]["config"]
        place[rng.choice(list(place))] = any_json(rng)
        return packed(json.dumps(changed), weights), True

    return Case(packed(config, weights), read_keras, forge)


def table_case(folder):
    """Tables of sweeps."""
    import click

    from experiments._run.sweep import read_table

    def read(path):
        try:
            return [np.array(len(read_table(path, ["order", "seed"])))]
        except click.ClickException as error:
            raise ValidationError(str(error), attr="path") from error

    content = b"order,seed,nrmse\n6,0,0.125\n6,1,0.25\n12,0,0.5\n"
    return Case(content, read, lambda c, rng: (changed_bytes(c, rng), True), False)


CASES = {
    "network": network_case,
    "built_network": built_network_case,
    "stream": stream_case,
    "checkpoint": checkpoint_case,
    "trainer": trainer_case,
    "mnist": mnist_case,
    "nir": nir_case,
    "keras": keras_case,
    "keras_h5": keras_h5_case,
    "table": table_case,
}
ENDINGS = {"nir": ".nir", "keras": ".keras", "keras_h5": ".h5", "table": ".csv"}
