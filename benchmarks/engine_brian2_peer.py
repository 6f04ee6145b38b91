"""Brian 2 on the network of engine.py, as a C++ program.

Run as ``PYTHON engine_brian2_peer.py JOB``; the job is JSON. The factored weights are
used: a neuron reads its own dimension of the state through a linked variable, a spike adds
its decoder to that dimension (one synapse for each neuron), and the recurrent matrix is a
summed variable of the few dimensions. The program is compiled with Brian's own flags (-O3,
-march=native, -ffast-math); it runs the same steps in every turn.
"""

import json
import sys
import tempfile

import numpy as np
from engine_turns import seconds, serve

STATE = """
x : 1
decoded : 1
returned : 1
drive : 1 (constant)
"""
# the state that the spikes and the input of the step before lead to
STATE_STEP = """
x = decay * x + (1 - decay) * (returned + drive * source(t))
decoded = 0
"""
NEURONS = """
x : 1 (linked)
encoder : 1 (constant)
bias : 1 (constant)
current = encoder * x + bias : 1
"""
# Nengo's neurons, which interpolate the time of a spike
LIF_STEP = """
refractory_time -= dt
decay_v = expm1(-clip(dt - refractory_time, 0*second, dt) / tau_rc)
v = clip(v - (current - v) * decay_v, 0, inf)
"""
LIF_RESET = """
refractory_time = tau_ref + dt + tau_rc * log1p(-(v - 1) / (current - 1))
v = 0
"""
RECTIFIED_STEP = "v += clip(current, 0, inf) * dt / second"


class Contestant:
    """
    The network as a compiled program.

    Parameters
    ----------
    job : dict
        ``arrays`` is the path of the network's arrays, ``options`` has ``float32``,
        ``threads`` (of OpenMP, or 0) and ``own_neurons``: whether its LIF neurons are those
        of Brian's documentation, which spike at the end of a step.
    """

    def __init__(self, job):
        import brian2

        self.brian2 = brian2
        options = job["options"]
        self.dtype = np.float32 if options["float32"] else np.float64
        brian2.prefs.core.default_float_dtype = self.dtype
        brian2.prefs.devices.cpp_standalone.openmp_threads = options["threads"]
        self.folder = tempfile.TemporaryDirectory()
        brian2.set_device("cpp_standalone", build_on_run=False)
        with np.load(job["arrays"]) as arrays:
            self.arrays = dict(arrays)
        self.length = job["record"] or min(job["steps"], len(self.arrays["input"]))
        network, self.build_s = seconds(self.build, options["own_neurons"])
        duration = self.length * brian2.defaultclock.dt
        network.run(duration)
        _, self.compile_s = seconds(
            brian2.device.build, directory=self.folder.name, run=False
        )
        self.about = f"{np.dtype(self.dtype).name}, " + (
            f"OpenMP with {options['threads']} threads"
            if options["threads"]
            else "1 thread"
        )

    def build(self, own_neurons):
        """Make Brian's objects."""
        brian2, arrays = self.brian2, self.arrays
        brian2.defaultclock.dt = 1 * brian2.ms
        given = np.resize(arrays["input"], self.length)
        source = brian2.TimedArray(
            np.append(0.0, given).astype(self.dtype), dt=1 * brian2.ms
        )
        size, n_neurons = len(arrays["drive"]), len(arrays["bias"])
        constants = {"source": source, "decay": float(arrays["decay"])}
        state = brian2.NeuronGroup(size, STATE, namespace=constants)
        state.drive = arrays["drive"]
        loop = brian2.Synapses(
            state, state, "w : 1\nreturned_post = w * decoded_pre : 1 (summed)"
        )
        loop.connect()
        loop.w = arrays["recurrent"].T.ravel()
        loop.summed_updaters["returned_post"].when = "start"
        state.run_regularly(STATE_STEP, when="start", order=1)
        neurons = self.make_neurons(n_neurons, own_neurons)
        neurons.x = brian2.linked_var(state, "x", index=arrays["dimension"])
        neurons.encoder, neurons.bias = arrays["encoder"], arrays["bias"]
        neurons.v = arrays["voltage"]
        decoding = brian2.Synapses(
            neurons, state, "decoder : 1 (constant)", on_pre="decoded_post += decoder"
        )
        decoding.connect(i=np.arange(n_neurons), j=arrays["dimension"])
        decoding.decoder = arrays["decoder"] * 1000
        self.monitor = brian2.StateMonitor(state, "x", record=True, when="end")
        return brian2.Network(state, loop, neurons, decoding, self.monitor)

    def make_neurons(self, n_neurons, own_neurons):
        """Make the neurons, without their parameters."""
        brian2, arrays = self.brian2, self.arrays
        if arrays["neurons"] == "SpikingRectifiedLinear":
            neurons = brian2.NeuronGroup(
                n_neurons, NEURONS + "v : 1", threshold="v >= 1", reset="v -= floor(v)"
            )
            neurons.run_regularly(RECTIFIED_STEP, when="groups")
            return neurons
        times = {
            name: float(arrays[name]) * brian2.second for name in ("tau_rc", "tau_ref")
        }
        if own_neurons:
            return brian2.NeuronGroup(
                n_neurons,
                NEURONS + "dv/dt = (current - v) / tau_rc : 1 (unless refractory)",
                threshold="v > 1",
                reset="v = 0",
                # counted from the beginning of the step in which it spiked
                refractory=times["tau_ref"] + brian2.ms / 2,
                method="exact",
                namespace=times,
            )
        neurons = brian2.NeuronGroup(
            n_neurons,
            NEURONS + "v : 1\nrefractory_time : second",
            threshold="v > 1",
            reset=LIF_RESET,
            namespace=times,
        )
        neurons.run_regularly(LIF_STEP, when="groups")
        return neurons

    def run(self, n_steps):
        """Run the program once; return seconds a step."""
        self.brian2.device.run()
        return self.brian2.device._last_run_time / self.length

    def recorded(self):
        """Return the delayed signal of shape (n_steps, 1)."""
        arrays = self.arrays
        given = np.resize(arrays["input"], self.length)
        return (arrays["readout"] @ self.monitor.x + arrays["direct"] * given)[:, None]


if __name__ == "__main__":
    serve(Contestant, json.loads(sys.argv[1]))
