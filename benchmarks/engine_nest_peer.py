"""NEST on the network of engine.py, with the full recurrent matrix.

Run as ``PYTHON engine_nest_peer.py JOB``; the job is JSON. NEST has no decoded values
between spikes and synapses, so that every neuron has a weight to every other: encoders
times recurrent matrix times decoders. The neurons are ``iaf_psc_exp``, on a grid of 1 ms
and with synapses of 100 ms; the input passes its synapse beforehand. For the timed turns
nothing is recorded.
"""

import json
import os
import sys

import numpy as np
from engine_turns import NotEnough, seconds, serve

SYNAPSE_BYTES = 50  # measured, with the tables that NEST makes when it starts
ROWS = 500  # of weights connected at a time


class Contestant:
    """
    The network in NEST.

    Parameters
    ----------
    job : dict
        ``arrays`` is the path of the network's arrays, ``options`` has ``threads``.
    """

    compile_s = 0.0
    length = None

    def __init__(self, job):
        import nest

        self.nest = nest
        with np.load(job["arrays"]) as arrays:
            self.arrays = dict(arrays)
        n_neurons = len(self.arrays["bias"])
        needed = SYNAPSE_BYTES * n_neurons**2 / 2**30
        pages = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        if needed > pages:
            raise NotEnough(
                f"{n_neurons}^2 weights need about {needed:.0f} GiB of memory, and "
                f"{pages:.0f} GiB are free"
            )
        self.n_recorded = job["record"]
        threads = job["options"]["threads"]
        self.about = f"{threads} thread{'s' * (threads > 1)}, full weights"
        self.total = self.n_recorded + (job["rounds"] + 8) * job["steps"]
        _, self.build_s = seconds(self.build, threads)

    def build(self, threads):
        """Make NEST's nodes and connections."""
        nest, arrays = self.nest, self.arrays
        nest.ResetKernel()
        nest.resolution = 1.0
        nest.local_num_threads = threads
        n_neurons = len(arrays["bias"])
        tau = 1000 * float(arrays["tau_rc"])
        # the refractory period on the grid is half a step shorter
        refractory = 1000 * float(arrays["tau_ref"]) - 0.5
        self.neurons = nest.Create(
            "iaf_psc_exp",
            n_neurons,
            params={
                "C_m": tau,
                "tau_m": tau,
                "E_L": 0.0,
                "V_th": 1.0,
                "V_reset": 0.0,
                "t_ref": refractory,
                "tau_syn_ex": 100.0,
                "tau_syn_in": 100.0,
            },
        )
        self.neurons.I_e = arrays["bias"]
        self.neurons.V_m = np.random.RandomState(0).rand(n_neurons)
        left, right = self.factors()
        for start in range(0, n_neurons, ROWS):
            rows = slice(start, min(start + ROWS, n_neurons))
            nest.Connect(
                self.neurons,
                self.neurons[rows],
                "all_to_all",
                {"weight": left[rows] @ right, "delay": 1.0},
            )
        filtered = self.lowpass(np.resize(arrays["input"], self.total))
        generator = nest.Create(
            "step_current_generator",
            params={
                "amplitude_times": np.arange(1.0, self.total),
                "amplitude_values": filtered[1:],
            },
        )
        weight = arrays["encoder"] * arrays["drive"][arrays["dimension"]]
        nest.Connect(
            generator,
            self.neurons,
            "all_to_all",
            {"weight": weight[:, None], "delay": 1.0},
        )
        if self.n_recorded:
            self.recorder = nest.Create(
                "spike_recorder", params={"stop": float(self.n_recorded)}
            )
            nest.Connect(self.neurons, self.recorder)

    def factors(self):
        """Return what the weights are the product of: (n_neurons, D) and (D, n_neurons)."""
        arrays = self.arrays
        every = np.arange(len(arrays["bias"]))
        decoders = np.zeros((len(arrays["drive"]), len(every)))
        decoders[arrays["dimension"], every] = arrays["decoder"]
        left = arrays["encoder"][:, None] * arrays["recurrent"][arrays["dimension"]]
        return left, 1000 * (1 - arrays["decay"]) * decoders

    def lowpass(self, values):
        """Filter values along their first axis, one step late."""
        decay, result = self.arrays["decay"], np.zeros(np.shape(values))
        for i in range(1, len(values)):
            result[i] = decay * result[i - 1] + (1 - decay) * values[i - 1]
        return result

    def run(self, n_steps):
        """Simulate on; return seconds a step."""
        _, elapsed = seconds(self.nest.Simulate, float(n_steps))
        return elapsed / n_steps

    def recorded(self):
        """Return the delayed signal of shape (n_steps, 1), decoded from the spikes."""
        arrays, n_steps = self.arrays, self.n_recorded
        events = self.recorder.events
        senders = np.asarray(events["senders"]) - self.neurons[0].global_id
        steps = np.rint(events["times"]).astype(int) - 1
        dimension = arrays["dimension"]
        decoded = np.zeros((n_steps, len(arrays["drive"])))
        np.add.at(decoded, (steps, dimension[senders]), 1000 * arrays["decoder"][senders])
        given = arrays["input"][:n_steps, None]
        state = self.lowpass(decoded @ arrays["recurrent"].T + given * arrays["drive"])
        return state @ arrays["readout"][:, None] + arrays["direct"] * given


if __name__ == "__main__":
    serve(Contestant, json.loads(sys.argv[1]))
