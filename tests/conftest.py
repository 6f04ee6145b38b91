import os
import signal
import tempfile

import nengo
import numpy as np
import pytest

import lmu_nengo

# one thread for each process that -n or a test starts: more wait for each other, busily
for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(name, "1")
# processes that share a cache of decoders would warn when it is locked
DECODERS = tempfile.TemporaryDirectory()
nengo.rc.set("decoder_cache", "path", DECODERS.name)


def pytest_configure(config):
    """Profiles of hypothesis: 50 random examples, or 5,000 with --slow."""
    try:
        from hypothesis import settings
    except ImportError:  # tests of a target alone
        return
    is_slow = config.getoption("--slow", False)
    for name, fast, slow in (("many", 50, 5000), ("some", 20, 5000), ("few", 6, 300)):
        options = dict(derandomize=not is_slow, deadline=None, database=None)
        settings.register_profile(
            name, max_examples=slow if is_slow else fast, print_blob=True, **options
        )
    settings.load_profile("many")


def heed_interrupts():
    """Let a subprocess react to SIGINT, which background jobs of a shell ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Regressor:
    """A network for regression: a memory, a hidden layer and a read-out."""

    def __init__(self, keep_history, n_steps=30, order=6, memory_d=2, dt=0.001):
        from lmu_nengo.training import nengo_dl

        rng = np.random.RandomState(0)
        with nengo.Network(seed=0) as self.network:
            nengo_dl.configure_settings(keep_history=keep_history)
            self.source = nengo.Node(np.zeros(3), label="source")
            self.mixed = nengo.Node(size_in=memory_d, label="mixed")
            self.memory = lmu_nengo.LegendreMemory(
                n_steps * dt, order, memory_d=memory_d, dt=dt
            )
            self.hidden = nengo.Ensemble(
                20,
                1,
                neuron_type=nengo.RectifiedLinear(),
                gain=np.ones(20),
                bias=np.zeros(20),
            )
            self.readout = nengo.Node(size_in=2, label="readout")

            def connect(pre, post):
                weights = rng.randn(post.size_in, pre.size_out) / np.sqrt(pre.size_out)
                return nengo.Connection(pre, post, transform=weights, synapse=None)

            # no reversed slices: NengoDL 3.6.0 treats [::-1] as [:]
            connect(self.source, self.mixed)
            nengo.Connection(self.source[1], self.mixed[-1], transform=0.5, synapse=None)
            nengo.Connection(self.mixed, self.memory.input, synapse=None)
            connect(self.memory.output, self.hidden.neurons)
            connect(self.source[1:], self.hidden.neurons)  # bypasses the memory
            connect(self.hidden.neurons, self.readout)
            self.probe = nengo.Probe(self.readout, label="readout")
            self.memory_probe = nengo.Probe(self.memory.output, label="memory")

    def realize(self, realization):
        lmu_nengo.realize(self.network, realization)
        return self

    def run_in_core(self, x):
        """Read-out of core Nengo for one sequence of shape (n_steps, 3)."""
        dt = self.memory.dt
        self.source.output = nengo.processes.PresentInput(x, dt)
        with nengo.Simulator(self.network, dt=dt, progress_bar=False) as sim:
            sim.run_steps(len(x))
        return sim.data[self.probe]


@pytest.fixture(scope="session")
def regressor():
    return Regressor


@pytest.fixture(scope="session")
def sequences():
    """Random inputs (12, 30, 3) and targets (12, 30, 2)."""
    rng = np.random.RandomState(1)
    return rng.randn(12, 30, 3).astype(np.float32), rng.randn(12, 30, 2)
