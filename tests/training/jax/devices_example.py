"""Prints the gradients and trained parameters on some devices: `devices_example.py N`."""

import sys

import jax
import numpy as np

from lmu_nengo import Linear, Windowed, realize
from lmu_nengo.training import Trainer
from tests.training.jax.networks import BATCH, N_STEPS, X, build, targets

if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 2)
    n_devices, path = int(sys.argv[1]), sys.argv[2]
    found = []
    for kind, realization in (
        ("last step", Windowed(N_STEPS)),
        ("feedback", Windowed(N_STEPS)),
        ("all steps", Linear()),
    ):
        network = build(kind)
        realize(network, realization)
        trainer = Trainer(
            network,
            seed=0,
            minibatch_size=BATCH,
            progress_bar=False,
            devices=jax.devices()[:n_devices],
        )
        assert trainer.devices.count == n_devices
        trainer.compile("sgd", loss={network.output: "mse"})
        found += trainer.gradients(X, targets(kind)).values()
        trainer.fit(X, targets(kind), epochs=2)
        found += map(np.asarray, trainer.parameters)
    np.savez(path, *found)
