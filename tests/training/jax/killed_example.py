"""Trains with a checkpoint, and is killed by its test: `killed_example.py FILE SLEEP`."""

import sys
import time

import numpy as np

from lmu_nengo import Windowed, realize
from lmu_nengo.training.jax import Checkpoint, Trainer
from tests.training.jax.networks import N_STEPS, build

rng = np.random.RandomState(2)
X = rng.randn(12, N_STEPS, 3).astype(np.float32)
Y = rng.randn(12, 1, 2).astype(np.float32)


def train(path, epochs, seconds=0.0):
    """Train up to an epoch, from a checkpoint if there is one; return the trainer."""
    network = build("last step")
    realize(network, Windowed(N_STEPS))
    trainer = Trainer(network, minibatch_size=4, seed=0, progress_bar=False)
    trainer.compile("adam", loss={network.output: "mse"})
    checkpoint = Checkpoint(trainer, path, "loss", resume=True, mode="min")

    def report(epoch, logs):
        print(f"epoch {epoch}", flush=True)
        time.sleep(seconds)

    trainer.fit(
        X,
        Y,
        epochs=epochs,
        initial_epoch=checkpoint.epoch,
        callbacks=[checkpoint, report],
    )
    return trainer, checkpoint


if __name__ == "__main__":
    train(sys.argv[1], epochs=100, seconds=float(sys.argv[2]))
