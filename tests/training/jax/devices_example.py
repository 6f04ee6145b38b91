"""Writes the gradients and trained parameters on some devices.

Run as ``devices_example.py OUT KINDS N_DEVICES``, where KINDS are names of networks with
commas between them; one of several processes, each with one device, also gets ``ADDRESS
N_PROCESSES INDEX``.
"""

import sys

import jax
import numpy as np
from nengo.exceptions import ValidationError

from lmu_nengo import Linear, Windowed, realize
from lmu_nengo.training import Trainer
from lmu_nengo.training.jax import Checkpoint
from tests.training.jax.networks import BATCH, N_STEPS, X, build, targets


def main():
    """Train a network of each kind."""
    out, kinds, n_devices, *processes = sys.argv[1:]
    jax.config.update("jax_num_cpu_devices", 1 if processes else 2)
    if processes:
        address, n_processes, index = processes
        jax.distributed.initialize(address, int(n_processes), int(index))
    found = []
    for kind in kinds.split(","):
        network = build(kind)
        realize(network, Linear() if kind == "all steps" else Windowed(N_STEPS))
        options = {"progress_bar": False, "devices": jax.devices()[: int(n_devices)]}
        trainer = Trainer(network, seed=0, minibatch_size=BATCH, **options)
        assert trainer.devices.count == int(n_devices)
        assert trainer.devices.is_shared == bool(processes)
        trainer.compile("adam", loss={network.output: "mse"})
        found += trainer.gradients(X, targets(kind)).values()
        # one file for all processes, which the first of them writes
        kept = Checkpoint(trainer, f"{out[:-6]}_{kind}.npz", monitor="loss")
        trainer.fit(X, targets(kind), epochs=2, callbacks=[kept])
        found += map(trainer.devices.get, trainer.parameters)
        found += [trainer.predict(X)[network.output], kept.restore_best()]
        found.append(trainer.evaluate(X, targets(kind))["loss"])
    np.savez(out, *found)
    if processes:
        try:
            Trainer(network, minibatch_size=BATCH, progress_bar=False)
        except ValidationError as error:
            assert "seed: must be given if several processes" in str(error)
        else:
            raise AssertionError("a seed of its own in each process was not refused")


if __name__ == "__main__":
    main()
