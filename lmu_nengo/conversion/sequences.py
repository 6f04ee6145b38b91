"""Networks run on many sequences, in each simulator."""

import importlib.util
from collections.abc import Iterator, Mapping

import nengo
import numpy as np
from nengo.exceptions import ValidationError
from nengo.params import BoolParam

# nengo.Simulator itself is refused by Nengo GUI while it reads a script
from nengo.simulator import Simulator

from lmu_nengo._validation import check_array, check_instance, check_network

MINIBATCH_SIZE = 100  # of the compiled engine, if there are so many sequences


def is_jax_installed() -> bool:
    """Whether the compiled engine can be used."""
    return importlib.util.find_spec("jax") is not None


def check_inputs(network, inputs):
    """Numbers of sequences and of steps, or ValidationError."""
    check_network(network)
    check_instance(inputs, Mapping, "inputs", "a dictionary {nengo.Node: array}")
    for node, x in inputs.items():
        check_array(x, f"inputs[{node}]", ("n_inferences", "n_steps", "size"))
    shapes = {np.shape(x)[:2] for x in inputs.values()}
    for node, x in inputs.items():
        is_input = node in network.all_nodes and node.size_in == 0
        if not is_input or np.ndim(x) != 3 or np.shape(x)[2] != node.size_out:
            raise ValidationError(
                f"got {node!r} with an array of shape {np.shape(x)}. Each key must be an "
                "input node of the network (without size_in), and each array must have "
                "the shape (n_inferences, n_steps, size_out of the node).",
                attr="inputs",
            )
    if len(shapes) != 1 or 0 in min(shapes):
        raise ValidationError(
            f"got arrays whose (n_inferences, n_steps) are {sorted(shapes)}. There must be "
            "at least one input node, and all arrays must have the same numbers of "
            "inferences and steps, above 0.",
            attr="inputs",
        )
    return shapes.pop()


def record(network, inputs, probes, dt) -> list[np.ndarray]:
    """Values of probes, each of shape (n_sequences, n_steps, size)."""
    n_sequences = len(next(iter(inputs.values())))
    options = {"dt": dt, "progress_bar": False}
    if is_jax_installed():
        results = in_engine(network, inputs, min(n_sequences, MINIBATCH_SIZE), options)
    else:
        results = in_core(network, inputs, options)
    parts = [[np.array(result[probe]) for probe in probes] for result in results]
    return [np.concatenate(each)[:n_sequences] for each in zip(*parts, strict=True)]


def in_core(network, inputs, options) -> Iterator[Mapping]:
    """Values of all probes, of shape (1, n_samples, size), for each sequence."""
    n_inferences, n_steps = next(iter(inputs.values())).shape[:2]
    inference, dt = 0, options["dt"]
    for node, x in inputs.items():
        node.output = lambda t, x=x: x[inference][round(t / dt) - 1]
    with Simulator(network, **options) as sim:
        for inference in range(n_inferences):  # noqa: B007  read by the nodes
            sim.reset()
            sim.run_steps(n_steps)
            yield {p: np.array(sim.data[p])[None] for p in network.all_probes}


def in_engine(network, inputs, size, options) -> Iterator[Mapping]:
    """As `in_core`, for each batch."""
    from lmu_nengo import engine

    n_steps = next(iter(inputs.values())).shape[1]
    with engine.Simulator(network, minibatch_size=size, **options) as sim:
        for batch in batches(inputs, size):
            sim.reset()
            sim.run_steps(n_steps, data=batch)
            yield sim.data


def in_nengo_dl(network, inputs, counted, size, options) -> Iterator[Mapping]:
    """As `in_engine`."""
    from lmu_nengo.training import Simulator as BatchSimulator

    config = network.config[nengo.Probe]
    if not hasattr(config, "keep_history"):
        config.set_param("keep_history", BoolParam("keep_history", default=True))
    inputs = {node: x.astype(np.float32) for node, x in inputs.items()}
    for probe in counted:  # only their last values count
        probe.sample_every = None
        network.config[probe].keep_history = False
    with BatchSimulator(network, minibatch_size=size, **options) as sim:
        # one call each: NengoDL cannot generate the inputs of several batches
        for batch in batches(inputs, size):
            yield sim.predict(batch, verbose=0)


def batches(inputs, size) -> Iterator[dict]:
    """Inputs of ``size`` sequences each; the last ones are filled with zeros."""
    n_inferences = len(next(iter(inputs.values())))
    for i in range(0, n_inferences, size):
        batch = {}
        for node, x in inputs.items():
            part = x[i : i + size]
            batch[node] = np.pad(part, [(0, size - len(part)), (0, 0), (0, 0)])
        yield batch
