"""Reads damaged and forged files with every reader, and tells how it ends.

    python -m tests.project.fuzz [--seed SEED] [N_FILES [READER ...]]

Half of the files are valid ones with a few bytes changed, which checksums do not notice
everywhere. The others are forged: members are deleted, added, replaced by something else,
and the file is written again, with right checksums. A file may be refused by the error
that users are to see, or be read; what is forged so that it cannot be valid must be
refused. Each reader has a process of its own, which ends when it takes more than twenty
seconds for a file, or a GiB of memory more than for the valid one.
"""

import argparse
import collections
import contextlib
import faulthandler
import io
import json
import pickle
import resource
import struct
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import nengo
import numpy as np
from nengo.exceptions import ValidationError

import lmu_nengo
from lmu_nengo.io.saved_networks import parameters_of, parts

SECONDS = 20
GIB = 2**30
BAD = "accepted wrongly", "foreign"


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


def changed_bytes(content, rng):
    """Change, delete or insert some bytes."""
    bad = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        i, kind = rng.randint(max(len(bad), 1)), rng.randint(5)
        if kind == 0:
            bad[i : i + 1] = bytes([rng.randint(256)])
        elif kind == 1:
            del bad[i : i + rng.randint(1, 50)]
        elif kind == 2:
            bad[i:i] = rng.bytes(rng.randint(1, 50))
        elif kind == 3:
            bad[i : i + 4] = struct.pack("<I", rng.randint(2**31))
        elif not rng.randint(5):
            del bad[i:]
    return bytes(bad)


def any_json(rng):
    """A value that JSON can represent."""
    values = [None, True, "text", -1, 0, 7, 0.5, 10**6, 10**30, [], {}, [1, [2]], {"a": 1}]
    values += [float("nan"), float("inf"), "x" * 1000, [[[]]], 1e300, 3, 2]
    return values[rng.randint(len(values))]


class Evil:
    """An object whose pickle creates a file when it is read."""

    path = "executed"

    def __reduce__(self):
        return open, (self.path, "w")


def npy(value):
    """The file of an array; objects are pickled."""
    buffer = io.BytesIO()
    np.save(buffer, value, allow_pickle=True)
    return buffer.getvalue()


def declaring(content, rng):
    """The file of an array that declares another shape."""
    shape = [(10**11,), (-1,), (2**62, 4), (3, 10**8), (10**9, 0)][rng.randint(5)]
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    return start + content[128:]


def replaced(content, rng):
    """The file of another array in the place of one."""
    value = np.load(io.BytesIO(content))
    kind = rng.randint(7)
    if kind == 0 and value.dtype.kind == "f" and value.size:
        value = np.array(value)
        value.flat[rng.randint(value.size)] = [np.nan, np.inf][rng.randint(2)]
        return npy(value)
    if kind == 1:
        return npy(np.resize(value, (*value.shape, 2)))
    if kind == 2:
        return npy(np.full(value.shape, 1j))
    if kind == 3:
        return npy(np.full(value.shape, "text"))
    if kind == 4:
        return declaring(content, rng)
    if kind == 5:
        return npy(np.array([Evil()], dtype=object))
    return [pickle.dumps(Evil()), b"", content[:-3], content + b"\0"][rng.randint(4)]


def unpacked(content):
    """Members of a zip file."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(members, compression=zipfile.ZIP_STORED):
    """A zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression, compresslevel=1) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def forge_npz(content, rng):
    """Forge a file of arrays; it cannot be valid, unless the array is not needed."""
    members = unpacked(content)
    name = sorted(members)[rng.randint(len(members))]
    kind = rng.randint(20)
    if kind < 5:
        del members[name]
    elif kind == 5:
        zeros = npy(np.zeros(2**24 + rng.randint(2**20)))  # 128 MiB
        return packed(members | {name: zeros}, zipfile.ZIP_DEFLATED), False
    elif kind < 10:
        members["more.txt"] = rng.bytes(20)
    else:
        members[name] = replaced(members[name], rng)
        return packed(members), may_be_needless(name)
    return packed(members), False


def may_be_needless(name):
    """What to ask of a file with another array of this name."""
    # a function that builds the network makes the recipe needless
    return "same" if name.startswith("recipe/") else False


def with_list(members):
    """Members of a file with a header whose list of arrays is that of the members."""
    header = json.loads(str(np.load(io.BytesIO(members["header.npy"]))))
    names = [name.removesuffix(".npy") for name in members]
    header["arrays"] = [name for name in names if name != "header"]
    return members | {"header.npy": npy(np.array(json.dumps(header)))}


def forge_archive(content, rng):
    """Forge a file with a header, whose list of arrays is made to fit."""
    members = unpacked(content)
    if not rng.randint(10):
        return forge_npz(content, rng)
    names = sorted(members.keys() - {"header.npy"})
    name, kind, may_be_valid = names[rng.randint(len(names))], rng.randint(5), False
    if kind == 0:
        del members[name]
    elif kind == 1:
        members[f"{name[:-4]}x{rng.randint(10)}.npy"] = members[name]
    elif kind == 2:
        members[name] = replaced(members[name], rng)
        may_be_valid = may_be_needless(name)
    else:
        may_be_valid = True
        header = json.loads(str(np.load(io.BytesIO(members["header.npy"]))))
        forge_json(header, rng)
        members["header.npy"] = npy(np.array(json.dumps(header)))
    if not may_be_valid:
        members = with_list(members)
    return packed(members), may_be_valid


def forge_json(value, rng):
    """Change something somewhere in lists and dictionaries."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = keys[rng.randint(len(keys))]
        if isinstance(value[key], dict | list) and rng.randint(8):
            value = value[key]
        elif rng.randint(3):
            value[key] = any_json(rng)
            return
        else:
            del value[key]
            return


def forge_hdf5(content, rng, start):
    """Forge a file of HDF5 that cannot be valid, in the group whose name is given."""
    import h5py

    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        names = []

        def visit(name, item):
            if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
                names.append(name)

        file[start].visititems(visit)
        name = f"{start}/{names[rng.randint(len(names))]}"
        value, kind = file[name][()], rng.randint(10)
        is_optional = name.endswith("v_reset") and kind == 0
        del file[name]
        if kind == 1:
            value = np.array(value, dtype=float)
            value[..., -1:] = [np.nan, np.inf, -np.inf][rng.randint(3)]
            file[name] = value
        elif kind == 2:
            file[name] = np.zeros((*value.shape, 3))
        elif kind == 3:
            file[name] = ["a", "b"]
        elif kind == 4:
            chunks = (1024, 1024)
            file.create_dataset(name, (2**20, 2**20), "f8", chunks=chunks)
        elif kind == 5:
            file[name] = h5py.ExternalLink("/etc/passwd", "/a")
        elif kind == 6:
            file[name] = h5py.SoftLink("/")
        elif kind == 7:
            external = [("/etc/passwd", 0, 8 * value.size)]
            file.create_dataset(name, value.shape, "f8", external=external)
        elif kind == 8:
            zeros = {"chunks": (2**20,), "compression": "gzip", "fillvalue": 0.0}
            file.create_dataset(name, (2**26,), "f8", **zeros)
        elif kind == 9:
            file.create_group(name)
    return buffer.getvalue(), is_optional


def outcome(case, path, expected, content, may_be_valid):
    """How the reading of a file ends, and what the error says."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            found = case.read(path)
    except ValidationError as error:
        return "refused", str(error)
    except Exception as error:
        return "foreign", repr(error)
    is_same = len(found) == len(expected) and all(map(np.array_equal, found, expected))
    finite = all(np.all(np.isfinite(x)) for x in found if x.dtype.kind in "fc")
    if is_same:
        return "as it was" if may_be_valid else "accepted wrongly", ""
    return "valid" if may_be_valid is True and finite else "accepted wrongly", ""


def run(name, n_files, seed=0, folder=None):
    """
    Read files with one reader.

    Parameters
    ----------
    name : str
        The reader.
    n_files : int
        How many files.
    seed : int
        Seed of the first file; the others count up.
    folder : pathlib.Path
        Where files are written.

    Yields
    ------
    seed : int
        Seed of the file.
    how, message : str
        As `outcome` gives them.
    """
    case = CASES[name](folder)
    path = folder / f"file{ENDINGS.get(name, '.npz')}"
    path.write_bytes(case.content)
    expected = [np.array(value) for value in case.read(path)]
    Evil.path = str(folder / "executed")
    for i in range(seed, seed + n_files):
        rng = np.random.RandomState(i)
        if rng.randint(2):
            content = changed_bytes(case.content, rng)
            # "same": what is read must be what was written
            may_be_valid = "same" if case.is_checked else True
        else:
            content, may_be_valid = case.forge(case.content, rng)
        yield (i, *outcome(case, path, expected, content, may_be_valid))
    if Path(Evil.path).exists():
        yield seed, "foreign", "a pickle was executed"


def run_alone(name, n_files, seed):
    """Run one reader in this process, which may end; print counts as JSON."""
    counts, messages = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        tries = run(name, n_files, seed, Path(folder))
        counts[next(tries)[1]] += 1
        status = Path("/proc/self/statm").read_text().split()
        in_use, limit = int(status[0]) * 4096, resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (in_use + GIB, limit))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        number = seed
        while True:
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            print(f"file {number + 1}", file=sys.stderr, flush=True)
            try:
                number, how, message = next(tries)
            except StopIteration:
                break
            counts[how] += 1
            if how in BAD:
                messages.append(f"{name} --seed {number}: {how}: {message[:200]}")
        faulthandler.cancel_dump_traceback_later()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"counts": counts, "bad": messages, "MiB": (after - before) >> 10}))


def main(arguments=None):
    """Run readers, each in a process of its own; return whether all went well."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("n_files", type=int, nargs="?", default=20_000)
    parser.add_argument("reader", nargs="*", help=", ".join(CASES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    names = options.reader or list(CASES)
    if options.alone:
        return run_alone(names[0], options.n_files, options.seed)
    total, n_bad = collections.Counter(), 0
    for i, name in enumerate(names):
        share = options.n_files // len(names) + (i < options.n_files % len(names))
        command = sys.executable, "-m", "tests.project.fuzz", "--alone", str(share), name
        done = subprocess.run(
            [*command, "--seed", str(options.seed)], capture_output=True, text=True
        )
        if done.returncode:
            lines = done.stderr.splitlines()
            print(f"{name} ended with {done.returncode}:", *lines[-25:], sep="\n")
            total["crashed or hung"] += 1
            n_bad += 1
            continue
        result = json.loads(done.stdout.splitlines()[-1])
        print(name, result["counts"], f"{result['MiB']} MiB", *result["bad"], sep="\n  ")
        total.update(result["counts"])
        n_bad += len(result["bad"])
    print(dict(total), "of", total.total())
    return n_bad


if __name__ == "__main__":
    sys.exit(bool(main()))
