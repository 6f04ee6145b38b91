"""Random networks, and the same computed by a plain loop over the equations."""

from dataclasses import dataclass

import nengo
import numpy as np
from hypothesis import strategies as st

import lmu_nengo

NEURONS = {
    "relu": (nengo.RectifiedLinear(), lambda j: np.maximum(j, 0)),
    "tanh": (nengo.Tanh(tau_ref=1), np.tanh),
    "sigmoid": (nengo.Sigmoid(tau_ref=1), lambda j: 1 / (1 + np.exp(-j))),
}
KERNELS = ("input_kernel", "hidden_kernel", "memory_kernel")
FEEDBACK = ("hidden_encoders", "memory_encoders")


@dataclass(frozen=True)
class Layer:
    """A memory, or a cell, which has a hidden layer and paths."""

    theta_steps: float
    order: int
    memory_d: int
    hidden_d: int = 0
    hidden_type: str = "relu"
    paths: frozenset = frozenset()


@dataclass(frozen=True)
class Case:
    """Layers on top of each other, with a linear read-out, and data."""

    layers: tuple
    input_d: int
    output_d: int
    dt: float
    discretizer: str
    n_steps: int
    seed: int
    is_stack: bool


def layers(cells=True):
    """Random layers."""
    return st.builds(
        Layer,
        theta_steps=st.floats(1.0, 60.0),
        order=st.integers(1, 9),
        memory_d=st.integers(1, 3),
        hidden_d=st.integers(1, 4) if cells else st.just(0),
        hidden_type=st.sampled_from(sorted(NEURONS)),
        paths=st.frozensets(st.sampled_from(["bias", *KERNELS[:2], *FEEDBACK])),
    )


def cases(memories_only=False, most_steps=25):
    """Random networks with random data."""
    cells = st.just(False) if memories_only else st.booleans()

    def of_kind(are_cells):
        return st.builds(
            Case,
            layers=st.lists(layers(are_cells), min_size=1, max_size=3).map(tuple),
            input_d=st.integers(1, 3),
            output_d=st.integers(1, 3),
            dt=st.sampled_from([0.001, 0.0005, 0.002, 0.01, 1 / 3, 1.0]),
            discretizer=st.sampled_from(["zoh", "bilinear"]),
            n_steps=st.integers(1, most_steps),
            seed=st.integers(0, 2**32 - 1),
            is_stack=st.booleans() if are_cells else st.just(False),
        )

    return cells.flatmap(of_kind)


def weights_of(case):
    """Random weights for each layer, and those of the read-out."""
    rng, size, found = np.random.RandomState(case.seed), case.input_d, []
    for layer in case.layers:
        n_memory, hidden = layer.memory_d * layer.order, layer.hidden_d
        shapes = {"input_encoders": (layer.memory_d, size)}
        if hidden:
            shapes |= {
                "hidden_encoders": (layer.memory_d, hidden),
                "memory_encoders": (layer.memory_d, n_memory),
                "input_kernel": (hidden, size),
                "hidden_kernel": (hidden, hidden),
                "memory_kernel": (hidden, n_memory),
                "bias": (hidden,),
            }
        always = {"input_encoders", "memory_kernel"}
        found.append(
            {
                # small feedback: differences in rounding must not grow
                name: rng.uniform(-1, 1, shape) * (0.1 if name in FEEDBACK else 0.5)
                for name, shape in shapes.items()
                if name in always or name in layer.paths
            }
        )
        size = hidden or n_memory
    return found, rng.uniform(-1, 1, (case.output_d, size))


def data_of(case, n=1):
    """Random sequences of shape (n, n_steps, input_d)."""
    rng = np.random.RandomState(case.seed % 1000)
    return rng.uniform(-1, 1, (n, case.n_steps, case.input_d))


def build(case, realization=None):
    """Make the network; ``.u`` is its input, ``.probe`` its output."""
    weights, readout = weights_of(case)
    realization = realization or lmu_nengo.Linear(case.discretizer)
    with nengo.Network(seed=0) as network:
        network.u = below = nengo.Node(np.zeros(case.input_d))
        made = []
        for layer, own in zip(case.layers, weights, strict=True):
            sizes = dict(theta=layer.theta_steps * case.dt, order=layer.order, dt=case.dt)
            sizes |= dict(memory_d=layer.memory_d, realization=realization)
            if layer.hidden_d:
                every = "hidden_encoders", "memory_encoders", *KERNELS, "bias"
                part = lmu_nengo.LMUCell(
                    below.size_out,
                    hidden_d=layer.hidden_d,
                    hidden_type=NEURONS[layer.hidden_type][0],
                    **{**dict.fromkeys(every), **own},
                    **sizes,
                    add_to_container=not case.is_stack,
                )
                made.append(part)
                if not case.is_stack:
                    nengo.Connection(below, part.input, synapse=None)
                below = part.output
            else:
                part = lmu_nengo.LegendreMemory(**sizes)
                encoders = own["input_encoders"]
                nengo.Connection(below, part.input, transform=encoders, synapse=None)
                below = part.output
        if case.is_stack:
            stack = lmu_nengo.Stack(made)
            nengo.Connection(network.u, stack.input, synapse=None)
            below = stack.output
        y = nengo.Node(size_in=case.output_d)
        nengo.Connection(below, y, transform=readout, synapse=None)
        network.probe = nengo.Probe(y)
    return network


def discrete(layer, case):
    """The memory's equations from its definition, in steps; by SciPy."""
    from scipy.signal import cont2discrete

    i = np.arange(layer.order)
    below = np.where(i[:, None] < i, -1.0, (-1.0) ** (i[:, None] - i + 1))
    A, B = (2 * i[:, None] + 1) * below, ((2 * i + 1) * (-1.0) ** i)[:, None]
    system = A / layer.theta_steps, B / layer.theta_steps, np.eye(layer.order), 0 * B
    return cont2discrete(system, 1.0, case.discretizer)[:2]


def by_loop(case, x):
    """Outputs of shape (n_steps, output_d), one step after another."""
    weights, readout = weights_of(case)
    for layer, own in zip(case.layers, weights, strict=True):
        Ad, Bd = discrete(layer, case)
        f, outputs = NEURONS[layer.hidden_type][1], []
        m, h = np.zeros((layer.memory_d, layer.order)), np.zeros(layer.hidden_d)
        for now in x:
            u = own["input_encoders"] @ now
            for name, back in (("hidden_encoders", h), ("memory_encoders", m.ravel())):
                if name in own:
                    u = u + own[name] @ back
            m = m @ Ad.T + u[:, None] @ Bd.T  # a value acts in its own step
            if layer.hidden_d:
                j = own["memory_kernel"] @ m.ravel() + own.get("bias", 0.0)
                for name, given in (("input_kernel", now), ("hidden_kernel", h)):
                    if name in own:
                        j = j + own[name] @ given
                h = f(j)
            outputs.append(h if layer.hidden_d else m.ravel())
        x = np.array(outputs)
    return x @ readout.T


def in_core(network, x, dt):
    """Outputs of core Nengo."""
    network.u.output = nengo.processes.PresentInput(x, dt)
    try:
        with nengo.Simulator(network, dt=dt, progress_bar=False) as sim:
            sim.run_steps(len(x))
    finally:
        network.u.output = np.zeros(x.shape[1])
    return sim.data[network.probe]
