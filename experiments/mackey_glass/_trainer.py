"""How the networks of the Mackey-Glass experiment are trained without NengoDL."""

import time

import jax.numpy as jnp
import optax
from rich.progress import Progress

import lmu_nengo
from experiments._lib.command_line import console
from experiments._lib.schedule import MAX_EPOCHS, cosine
from experiments.mackey_glass._networks import BATCH, RATES, build, settings_of
from lmu_nengo.training.jax import Checkpoint, Trainer


def weighted_mse(target, output):
    """Mean square error, weighted by the target's second value."""
    wanted, weight = target[..., :1], target[..., 1:]
    error = weight * (output[..., :1] - wanted) ** 2
    return jnp.sum(error) / jnp.sum(weight)


def train_lmu(kind, data, validation, x_test, seconds, seed, folder, resume):
    """Do the same as `experiments.mackey_glass._nengo_dl.train_lmu` with JAX."""
    network, signal, probe = build(kind, seed)
    (x, y), (x_held, y_held) = data, validation
    lmu_nengo.realize(network, lmu_nengo.Windowed(x.shape[1]))
    options = {"minibatch_size": BATCH, "progress_bar": False}
    trainer = Trainer(network, seed=seed, **options)
    # the rate is a part of the optimizer's state, so that it can follow the time
    adam = optax.inject_hyperparams(optax.adam)(RATES[kind], eps=1e-7)
    trainer.compile(adam, loss={probe: weighted_mse})
    settings = settings_of(kind, seconds, seed, data, validation)
    keeper = Checkpoint(
        trainer, folder / "checkpoint.npz", "val_loss", resume, settings, mode="min"
    )
    spent = keeper.history.get("seconds", [0.0])[-1]
    started = time.process_time() - spent
    with Progress(console=console) as progress:
        task = progress.add_task(f"{kind}, seed {seed}", total=seconds, completed=spent)

        def lower_rate(epoch, logs):
            logs["seconds"] = now = time.process_time() - started
            progress.update(task, completed=now)
            rate = jnp.asarray(cosine(RATES[kind], now / seconds), jnp.float32)
            trainer.optimizer_state.hyperparams["learning_rate"] = rate

        def is_over(epoch, logs):
            each = logs["seconds"] / (epoch + 1)
            return logs["seconds"] + each > seconds  # another epoch takes too long

        if spent < seconds and keeper.epoch < MAX_EPOCHS:
            trainer.fit(
                {signal: x},
                {probe: y},
                validation_data=({signal: x_held}, {probe: y_held}),
                epochs=MAX_EPOCHS,
                initial_epoch=keeper.epoch,
                callbacks=[lower_rate, keeper, is_over],
            )
    keeper.restore_best()
    lmu_nengo.realize(network, lmu_nengo.Windowed(x_test.shape[1]))
    prediction = Trainer(network, **options).predict({signal: x_test})[probe][..., :1]
    return prediction, trainer.n_parameters, keeper.history
