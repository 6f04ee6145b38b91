"""Calls every public callable with one wrong argument at a time, and tells how it fails.

    python -m tests.project.wrong_arguments [NAME ...]

A call may succeed, as many values are allowed, or raise an exception of Nengo, which is
what users are to see. Everything else counts: other exceptions, calls of more than ten
seconds, and more than 2 GiB of memory.
"""

import collections
import contextlib
import functools
import io
import os
import resource
import signal as os_signal
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import nengo
import numpy as np
from nengo.exceptions import NengoException

import lmu_nengo
from lmu_nengo import conversion, datasets, memory, nef, processes, signal, targets, viz
from tests.project import calls_that_run

SECONDS = 10
BYTES = 2**31
DT = 0.001


class Plain:
    """An object of no use, with a short name."""

    def __repr__(self):
        return "Plain()"


WRONG = [
    None,
    True,
    "text",
    "",
    b"bytes",
    Plain(),
    Plain,
    len,
    ...,
    [],
    (),
    {},
    set(),
    [[1, 2], [3]],
    ["a"],
    [None],
    {"a": 1},
    range(3),
    slice(None),
    -1,
    0,
    0.5,
    2.5,
    -1e-9,
    1e300,
    10**30,
    10**6,
    1 + 2j,
    float("nan"),
    float("inf"),
    -float("inf"),
    np.float32("nan"),
    np.array([]),
    np.array(1.0),
    np.array([np.nan]),
    np.array([1 + 1j]),
    np.array(["a"]),
    np.array([None]),
    np.full((2, 2), np.inf),
    np.zeros((2, 3, 4, 5)),
    np.zeros((3, 0)),
    nengo.LIF,
    nengo.LIF(),
    nengo.Lowpass(0.1),
    nengo.dists.Uniform(0, 1),
]


def example_network(realization=None):
    """A network with a node, a memory, a hidden layer and a probe."""
    with nengo.Network(seed=0) as network:
        network.node = nengo.Node([0.0], label="u")
        network.memory = lmu_nengo.LegendreMemory(0.02, 3, realization=realization)
        hidden = nengo.Ensemble(
            5, 1, gain=np.ones(5), bias=np.zeros(5), neuron_type=nengo.RectifiedLinear()
        )
        transform = np.ones((5, 3))
        nengo.Connection(network.node, network.memory.input, synapse=None)
        nengo.Connection(
            network.memory.output, hidden.neurons, transform=transform, synapse=None
        )
        network.probe = nengo.Probe(hidden.neurons)
    return network


def in_network(function):
    """Call it within a network of its own."""

    def call(**arguments):
        with nengo.Network(seed=0):
            return function(**arguments)

    return call


def spiking_memory(**arguments):
    """Make a memory in spikes."""
    realization = lmu_nengo.Spiking(**arguments)
    lmu_nengo.LegendreMemory(0.02, 3, realization=realization, add_to_container=False)


def with_data(network):
    """Arguments of functions that run a network on inputs."""
    return {"network": network, "inputs": {network.node: np.ones((2, 30, 1))}}


def two_lstms(first=1, second=2):
    """Two cells without a network."""
    outside = {"add_to_container": False}
    return lmu_nengo.LSTM(first, 2, **outside), lmu_nengo.LSTM(second, 2, **outside)


def cases():
    """
    Valid arguments of the public callables.

    Returns
    -------
    cases : dict of {str: tuple}
        By name: a callable, and a function that makes its arguments.
    """
    A, B = signal.state_space(0.02, 3)
    Ad, Bd = signal.discretize(A, B, DT)
    step = {"Ad": Ad, "Bd": Bd}
    band = nef.Band(5.0, 0.3)
    outside = {"add_to_container": False}
    held = lmu_nengo.LegendreMemory(0.02, 3, realization=memory.Spiking(30), **outside)
    uniform = nengo.dists.Uniform
    tuning = dict(max_rates=uniform(200, 400), intercepts=uniform(-0.5, 0.5))
    neurons = dict(neuron_type=nengo.LIF(), **tuning)
    constructor = dict(label="name", seed=1, add_to_container=False)
    model = nef.InputModel(band, 0.02, Ad, Bd, DT)
    arguments = {
        signal.state_space: dict(theta=0.1, order=3),
        signal.discretize: dict(A=A, B=B, dt=DT, method="zoh"),
        signal.simulate: dict(step, u=np.ones((5, 1))),
        signal.impulse_response: dict(step, n_steps=5),
        signal.delay_decoders: dict(order=3, points=[0.5, 1.0]),
        signal.delay_error: dict(order=3, cycles=0.5, point=1.0),
        signal.order_for: dict(theta=0.1, frequency=5.0, tolerance=0.1),
        signal.nrmse: dict(output=np.zeros(4), target=np.arange(4.0)),
        signal.reconstruct_window: dict(memory=np.ones((4, 3)), points=[0.5]),
        signal.state_transform: dict(
            name="balanced", covariance=np.eye(3), energy=np.eye(3), size=2
        ),
        signal.window_energy: dict(Ad=Ad, points=[0.5]),
        nef.Band: dict(frequency=1.0, rms=0.3),
        nef.Recording: dict(data=np.ones((5, 1))),
        nef.Response: dict(lead=0.0, onset=0.0, tau=0.1),
        nef.DelayedLowpass: dict(tau=0.1, delay=0.01),
        nef.InputModel: dict(step, expected_input=band, theta=0.02, dt=DT, radius=1.0),
        nef.choose_coordinates: dict(
            step, name="balanced", inputs=model, energy=np.eye(3), state_d=2, margin=1.0
        ),
        nef.principle3: dict(step, synapse=0.1, dt=DT, lead=0.0),
        nef.continuous_principle3: dict(A=A, B=B, synapse=0.1),
        nef.discrete_synapse: dict(synapse=0.1, dt=DT),
        nef.loop_poles: dict(mapping=nef.principle3(Ad, Bd, 0.1, DT)),
        nef.largest_response: dict(
            step, transform=np.eye(3), frequency=5.0, theta=0.02, dt=DT
        ),
        memory.Linear: dict(discretizer="zoh"),
        memory.Windowed: dict(n_steps=5, discretizer="zoh"),
        spiking_memory: dict(
            neurons,
            n_neurons=30,
            synapse=0.1,
            expected_input=None,
            radius=1.0,
            coordinates="balanced",
            state_d=3,
            points=[1.0],
            ensemble_d=1,
            margin=1.0,
            solver=nengo.solvers.LstsqL2(),
            lead=0.0,
            output="state",
            discretizer="zoh",
        ),
        lmu_nengo.LegendreMemory: dict(
            constructor,
            theta=0.02,
            order=3,
            memory_d=1,
            realization=memory.Linear(),
            dt=DT,
            start=False,
        ),
        memory.WindowFunction: dict(
            constructor,
            **neurons,
            memory=held,
            function=np.sum,
            points=[0.5],
            n_neurons=20,
            channels=[0],
            components=1,
            expected_input=band,
            solver=nengo.solvers.LstsqL2(),
            synapse=None,
        ),
        memory.LearnedReadout: dict(
            constructor,
            **neurons,
            memory=held,
            n_neurons=20,
            size_out=1,
            learning_rate=1e-4,
            components=1,
            expected_input=band,
            synapse=0.01,
        ),
        memory.excess: dict(memory=held, m=np.zeros(3)),
        lmu_nengo.LMUCell: dict(
            constructor,
            input_d=1,
            memory_d=1,
            theta=0.02,
            order=3,
            hidden_d=4,
            input_encoders=np.ones((1, 1)),
            hidden_encoders=None,
            memory_encoders=None,
            input_kernel=np.ones((4, 1)),
            hidden_kernel=None,
            memory_kernel=np.ones((4, 3)),
            bias=np.zeros(4),
            hidden_type=nengo.RectifiedLinear(),
            trainable=None,
            start=False,
            realization=memory.Linear(),
            dt=DT,
        ),
        lmu_nengo.LSTM: dict(
            constructor,
            input_d=1,
            hidden_d=3,
            kernel=np.ones((12, 1)),
            recurrent_kernel=np.ones((12, 3)),
            bias=np.zeros(12),
            realization=memory.Linear(),
        ),
        processes.Dropout: dict(rate=0.5, size=3),
        processes.GaussianNoise: dict(std=0.5, size=3),
        processes.Only: dict(start=0, stop=2, size=3),
        processes.Reverse: dict(size=3),
        processes.TensorFunction: dict(function=np.abs, size=3),
        conversion.scale_for: dict(rates=np.ones(5), target=2.0, quantile=0.9),
        targets.installed: dict(target="core"),
        targets.load: dict(target="core"),
        datasets.permuted_sequences: dict(x=np.ones((3, 4)), seed=0),
        datasets.mackey_glass: dict(n_series=1, n_steps=5, seed=0, tau=17, inner=10),
        datasets.lorenz: dict(n_series=1, n_steps=5, seed=0, dt=0.05),
        viz.basis: dict(order=3, axes=None),
        viz.errors: dict(sizes=[1, 2], values=[0.1, 0.2], xlabel="x", slope=-1),
        viz.impulse_responses: dict(theta=0.02, order=3, dt=DT, axes=None),
        viz.raster: dict(t=[0, 1], spikes=np.ones((2, 3)), decoded=np.ones(2)),
        viz.training_curves: dict(history={"loss": [1.0, 0.5]}, ylabel="loss"),
        viz.window: dict(memory=np.ones(3), theta=0.1, truth=None, now=0.0),
    }
    found = {}
    for function, valid in arguments.items():
        name = f"{function.__module__.split('.')[-1]}.{function.__name__}"
        call = in_network(function) if "label" in valid else function
        found[name] = call, lambda valid=valid: dict(valid)

    def network_case(name, function, make):
        found[name] = function, lambda: make(example_network())

    for function in (
        memory.find_memories,
        memory.find_realizable,
        conversion.footprint,
        conversion.connection_sparsity,
        conversion.rate_operations,
        conversion.remaining_operations,
        conversion.dense_operations,
    ):
        network_case(function.__name__, function, lambda n: {"network": n})
    network_case(
        "realize", lmu_nengo.realize, lambda n: dict(network=n, realization=memory.Linear())
    )
    network_case(
        "RangeMonitor", memory.RangeMonitor, lambda n: dict(network=n, every_step=False)
    )
    network_case(
        "to_spiking",
        lmu_nengo.to_spiking,
        lambda n: dict(network=n, scale=1.0, synapse=None, memories=None),
    )
    network_case(
        "fan_out",
        conversion.fan_out,
        lambda n: dict(network=n, ensemble=n.all_ensembles[0]),
    )
    network_case("calibrate", lmu_nengo.calibrate, with_data)
    network_case(
        "spiking_report",
        conversion.spiking_report,
        lambda n: dict(
            with_data(n),
            probe=n.probe,
            score=np.mean,
            minibatch_size=None,
            dt=DT,
            engine="core",
        ),
    )
    network_case(
        "SpikeCounter",
        conversion.SpikeCounter,
        lambda n: dict(network=n, ensembles=None, sample_every=None),
    )
    network_case("check", targets.check, lambda n: dict(network=n, target="core", dt=DT))
    network_case(
        "prepare", targets.prepare, lambda n: dict(network=n, target="core", dt=DT, seed=0)
    )
    network_case(
        "run",
        targets.run,
        lambda n: dict(network=n, target="core", duration=0.005, dt=DT, seed=0),
    )
    network_case(
        "window_view",
        in_network(viz.window_view),
        lambda n: dict(memory=n.memory, channels=None, limits=None, unit=None),
    )
    network_case(
        "save_network",
        lmu_nengo.save_network,
        lambda n: dict(network=n, path=temporary("saved.npz"), settings={}),
    )
    found["load_network"] = (
        lmu_nengo.load_network,
        lambda: dict(path=saved_network(), build=example_network),
    )
    found["load_mnist"] = datasets.load_mnist, lambda: dict(path=None)
    found["Stack"] = (
        in_network(lmu_nengo.Stack),
        lambda: dict(constructor, layers=two_lstms(1, 2), residual=False, dropout=0.0),
    )
    found["Parallel"] = (
        in_network(lmu_nengo.Parallel),
        lambda: dict(constructor, layers=two_lstms(1, 1)),
    )
    found["Bidirectional"] = (
        in_network(lmu_nengo.Bidirectional),
        lambda: dict(
            constructor, **dict(zip(("forward", "backward"), two_lstms(1, 1), strict=True))
        ),
    )
    return found


@functools.cache
def folder():
    """Folder for files, which is removed at the end."""
    return tempfile.TemporaryDirectory()


def temporary(name):
    """Path of a file in it."""
    return Path(folder().name) / name


@functools.cache
def saved_network():
    """Path of a network that was saved."""
    path = temporary("network.npz")
    lmu_nengo.save_network(example_network(), path, {})
    return path


def groups():
    """
    Valid arguments of all public callables, in groups.

    Returns
    -------
    groups : dict of {str: callable}
        By the name of the group: a function that returns what `cases` does.
    """

    def group(make):
        return {
            name: (call, lambda valid=valid: dict(valid))
            for name, (call, valid) in make().items()
        }

    others = calls_that_run.cases(Path(folder().name))
    return {"functions": cases} | {
        name: functools.partial(group, make) for name, make in others.items()
    }


class TooSlow(BaseException):
    """Raised after ten seconds."""


def outcome(function, arguments):
    """How a call ends: "accepted", "refused", or the name of a foreign exception."""

    def stop(*_):
        raise TooSlow

    said = io.StringIO()
    said.isatty = lambda: True  # where progress is shown
    os_signal.signal(os_signal.SIGALRM, stop)
    os_signal.alarm(SECONDS)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            warnings.simplefilter("ignore")
            function(**arguments)
        return "accepted", ""
    except NengoException as error:
        return "refused", str(error)
    except TooSlow:
        shown = "ETA" in said.getvalue()  # Nengo's progress bar
        return "accepted" if shown else "TooSlow", ""
    except Exception as error:
        if by_scikit_learn(error):
            return "refused", str(error)
        return type(error).__name__, str(error)
    finally:
        os_signal.alarm(0)


def by_scikit_learn(error):
    """Whether an error comes from a check of estimators, which follow scikit-learn."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [Path(frame.filename).as_posix() for frame in frames]
    places = "sklearn/utils/", "lmu_nengo/estimators/"
    checks = any(place in name for name in files[-3:] for place in places)
    estimator = any("lmu_nengo/estimators" in name for name in files)
    return checks and estimator and isinstance(error, ValueError | TypeError)


def run(names=None):
    """
    Try every wrong value as every argument.

    Parameters
    ----------
    names : iterable of str, optional
        Callables to try, or groups of them; by default all.

    Yields
    ------
    name, argument : str
        What was tried.
    value : object
        The wrong value.
    how, message : str
        As `outcome` gives them.
    """
    os.chdir(folder().name)  # where files with wrong names may be written
    for name, (function, make) in chosen(names):
        how, message = outcome(function, make())
        if how != "accepted" and name != "load_mnist":
            yield name, "valid", "arguments", f"{how} wrongly", message
            continue
        for argument in make():
            for value in WRONG:
                yield (
                    name,
                    argument,
                    value,
                    *outcome(function, {**make(), argument: value}),
                )


def chosen(names):
    """Callables with their arguments, by names of themselves or of groups."""
    found = set()
    for group, make in groups().items():
        if names and found >= set(names):  # the rest would be made in vain
            return
        if group == "training":
            limit_memory(None)
        found.add(group)
        if not names or group in names:
            yield from make().items()
        elif group == "functions" or any(
            "." in name or name[0].isupper() for name in names
        ):
            own = {k: v for k, v in make().items() if k in names}
            found |= own.keys()
            yield from own.items()


def limit_memory(n_bytes):
    """Let this process take so much memory more than now, or as much as there is."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    allowed = limit if n_bytes is None else in_use + n_bytes
    resource.setrlimit(resource.RLIMIT_AS, (allowed, limit))


def main():
    """Print what is foreign, and counts."""
    limit_memory(BYTES)
    sys.stdout.reconfigure(line_buffering=True)
    counts, foreign = collections.Counter(), {}
    for name, argument, value, how, message in run(sys.argv[1:]):
        counts[how] += 1
        if how not in ("accepted", "refused"):
            text = repr(value).replace("\n", " ")[:40]
            line = f"{name}({argument}={text}): {how}: {message[:90]!r}"
            foreign.setdefault((name, argument, how), []).append(line)
    for lines in foreign.values():  # one of each, and how many there are
        print(lines[0], f"(+{len(lines) - 1})" * (len(lines) > 1))
    print(dict(counts), "of", counts.total())
    return len(foreign)


if __name__ == "__main__":
    sys.exit(bool(main()))
