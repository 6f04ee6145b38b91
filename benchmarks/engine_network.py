"""The network of engine.py, and the same network as arrays for other simulators."""

import nengo
import numpy as np

import lmu_nengo

THETA, TAU, DT = 1.0, 0.1, 0.001  # window, synapse and step in seconds
PERIOD = 20000  # steps after which the input repeats
NEURONS = {
    "LIF": nengo.LIF(),
    "SpikingRectifiedLinear": nengo.SpikingRectifiedLinear(),
}
# On a grid of time, a neuron that loses what is above its threshold fires half a step late,
# as if its refractory period were longer. The same populations for such neurons.
ON_GRID = {
    "LIF": {"neuron_type": nengo.LIF(tau_ref=0.002 + DT / 2)},
    "SpikingRectifiedLinear": {
        "neuron_type": nengo.LIF(tau_rc=10.0, tau_ref=DT / 2),
        "max_rates": nengo.dists.Choice([300.0]),
        "intercepts": nengo.dists.Choice([-1.5]),
    },
}


def white_noise(n_sequences=1):
    """Create inputs of shape (n_sequences, PERIOD, 1); the first is the network's."""
    return np.stack([noise(seed).run_steps(PERIOD, dt=DT) for seed in range(n_sequences)])


def noise(seed):
    """White noise of rms 0.3 up to 1 Hz, 20 s long."""
    return nengo.processes.WhiteSignal(PERIOD * DT, high=1.0, rms=0.3, y0=0, seed=seed)


def build(n_neurons, order, neurons, on_grid=False):
    """
    Build a spiking memory that delays white noise by one second.

    Returns
    -------
    network : nengo.Network
    source : nengo.Node
        Its input.
    probe : nengo.Probe
        The delayed signal.
    memory : lmu_nengo.LegendreMemory
    """
    options = ON_GRID[neurons] if on_grid else {"neuron_type": NEURONS[neurons]}
    with nengo.Network(seed=0) as network:
        source = nengo.Node(noise(0))
        memory = lmu_nengo.LegendreMemory(
            THETA,
            order,
            realization=lmu_nengo.Spiking(n_neurons, synapse=TAU, **options),
        )
        nengo.Connection(source, memory.input, synapse=None)
        delayed = nengo.Node(size_in=1)
        nengo.Connection(
            memory.output,
            delayed,
            transform=lmu_nengo.delay_decoders(order, 1.0),
            synapse=None,
        )
        probe = nengo.Probe(delayed)
    return network, source, probe, memory


def exact(order, n_steps):
    """Compute what the network's probe would record if its memory were exact."""
    A, B = lmu_nengo.signal.state_space(THETA, order)
    states = lmu_nengo.signal.simulate(
        *lmu_nengo.signal.discretize(A, B, DT), white_noise()[0, :n_steps]
    )
    return states @ lmu_nengo.delay_decoders(order, 1.0).T


def as_arrays(n_neurons, order, neurons, on_grid=False):
    """
    Build the network and return what it is made of.

    With a state ``s`` of D dimensions, the input ``u`` and one dimension for each neuron, a
    step is::

        current = encoder * s[dimension] + bias
        decoded = sums of decoder * spikes over the neurons of each dimension
        delayed = readout @ s + direct * u
        s = decay * s + (1 - decay) * (recurrent @ decoded + drive * u)

    where ``spikes`` is 1 / dt or 0, and ``s`` and the input are 0 before the first step.

    Returns
    -------
    arrays : dict
        The above, with the neurons' type, ``tau_rc`` and ``tau_ref`` in seconds and their
        first ``voltage``; ``encoder``, ``bias``, ``decoder``, ``dimension`` and
        ``voltage`` have the shape (n_neurons,).
    """
    network, source, _, memory = build(n_neurons, order, neurons, on_grid)
    connections = memory.all_connections
    [loop] = [c for c in connections if c.synapse is not None]
    state = loop.post_obj
    reads = {c.pre_obj: c for c in connections if c.post_obj is memory.output}
    decoders = lmu_nengo.delay_decoders(order, 1.0)
    with nengo.Simulator(network, dt=DT, progress_bar=False) as sim:
        weights = sim.data[loop].weights
        parts = []
        for connection in connections:
            if isinstance(connection.post_obj, nengo.Ensemble):
                parts.append(population(sim, connection, connections))
        readout = decoders @ sim.data[reads[state]].weights
        direct = decoders @ sim.data[reads[memory.input]].weights
    kind = parts[0].pop("neuron_type")
    for part in parts[1:]:
        part.pop("neuron_type")
    return {
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
        "recurrent": weights[:, :-1],
        "drive": weights[:, -1],
        "readout": readout[0],
        "direct": direct[0, 0],
        "decay": np.exp(-DT / TAU),
        "input": source.output.run_steps(PERIOD, dt=DT)[:, 0],
        "neurons": neurons,
        "tau_rc": getattr(kind, "tau_rc", np.inf),
        "tau_ref": getattr(kind, "tau_ref", 0.0),
    }


def population(sim, connection, connections):
    """Return an ensemble's part of the arrays; the connection is that from the state."""
    ensemble = connection.post_obj
    [decoding] = [c for c in connections if c.pre_obj == ensemble.neurons]
    encoders, decoders = sim.data[ensemble].scaled_encoders, sim.data[decoding].weights
    own, every = np.abs(encoders).argmax(axis=1), np.arange(ensemble.n_neurons)
    assert np.count_nonzero(encoders) <= len(every), "one dimension for each neuron"
    return {
        "encoder": encoders[every, own],
        "bias": sim.data[ensemble].bias,
        "decoder": decoders[own, every],
        "dimension": np.arange(loop_size(connection))[connection.pre_slice][own],
        "voltage": sim.signals[sim.model.sig[ensemble.neurons]["voltage"]].copy(),
        "neuron_type": ensemble.neuron_type,
    }


def loop_size(connection):
    """Dimensions of the state that a connection reads."""
    return connection.pre_obj.size_out
