"""Nengo's own simulator and those that run the same network objects, for engine.py.

Run as ``PYTHON engine_nengo_peer.py JOB``; the job is JSON.
"""

import json
import sys

import numpy as np
from engine_network import DT, PERIOD, build, white_noise
from engine_turns import seconds, serve


def core(network, batch):
    """Nengo."""
    import nengo

    return nengo.Simulator(network, dt=DT, progress_bar=False), ""


def engine(network, batch):
    """Run on lmu_nengo.engine, in single precision."""
    import jax

    from lmu_nengo import engine

    size = {"minibatch_size": batch} if batch > 1 else {}
    sim = engine.Simulator(network, dt=DT, progress_bar=False, **size)
    return sim, str(jax.devices()[0].device_kind)


def dl(network, batch, unroll):
    """Run on NengoDL, with the patches that it needs for new versions of TensorFlow."""
    from lmu_nengo.training import nengo_dl

    sim = nengo_dl.Simulator(
        network, dt=DT, minibatch_size=batch, unroll_simulation=unroll, progress_bar=False
    )
    return sim, f"{unroll} steps unrolled"


def ocl(network, batch):
    """Run on NengoOCL."""
    import warnings

    import nengo_ocl

    from lmu_nengo.targets.ocl import choose_context

    context = choose_context()
    warnings.filterwarnings("ignore", ".*has not been tested")
    sim = nengo_ocl.Simulator(network, dt=DT, context=context, progress_bar=False)
    return sim, context.devices[0].platform.name


class Contestant:
    """
    A simulator of the network.

    Parameters
    ----------
    job : dict
        ``simulator`` is the name of a function above, ``options`` what it takes besides
        the network and the batch.
    """

    compile_s = None
    length = None

    def __init__(self, job):
        network, self.source, self.probe, _ = build(
            job["n_neurons"], job["order"], job["neurons"]
        )
        self.batch = job["batch"]
        make = globals()[job["simulator"]]
        made, self.build_s = seconds(make, network, self.batch, **job["options"])
        self.sim, self.about = made
        self.is_keras = job["simulator"] == "dl"
        self.data = white_noise(self.batch) if self.batch > 1 else None
        self.parts = []

    def run(self, n_steps):
        """Run on; return seconds a step."""
        options = {"progress_bar": False}
        if self.data is not None:
            repeated = np.resize(np.arange(PERIOD), n_steps)
            options["data"] = {self.source: self.data[:, repeated]}
        _, elapsed = seconds(self.sim.run_steps, n_steps, **options)
        self.parts.append(np.array(self.sim.data[self.probe]))
        if self.is_keras:  # NengoDL has no method for it that keeps the state
            self.sim.model.params[self.probe].clear()
        else:
            self.sim.clear_probes()
        return elapsed / n_steps

    def recorded(self):
        """Return the delayed signal of shape (n_steps, 1)."""
        return np.concatenate([part[0] if part.ndim == 3 else part for part in self.parts])


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    serve(Contestant, job)
