"""One step of training, one of evaluation, one of prediction, compiled."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from lmu_nengo.training.jax.losses import mean
from lmu_nengo.training.jax.network.program import Forward


class Steps:
    """
    What is compiled of a network, its losses and its optimizer.

    Parameters
    ----------
    forward : dict of {bool: Forward}
        What the probes show, outside of training and in training.
    losses : dict of {int: tuple of (function, float)}
        By the number of the probe, a loss and its factor.
    metrics : list of tuple of (int, str, function)
        For each, the number of the probe, the name and the function.
    names : dict of {int: str}
        The names of the probes.
    optimizer : optax.GradientTransformation
        The optimizer.
    change_inputs : function, optional
        As for `Trainer.compile`.

    Attributes
    ----------
    logs : list of str
        The names of the values that a step gives.
    train, evaluate, gradients : function
        Compiled.
    """

    def __init__(
        self,
        forward: dict[bool, Forward],
        losses: dict[int, tuple[Callable, float]],
        metrics: list[tuple[int, str, Callable]],
        names: dict[int, str],
        optimizer: optax.GradientTransformation,
        change_inputs: Callable | None = None,
    ):
        self.forward, self.losses, self.metrics = forward, losses, metrics
        self.optimizer, self.change_inputs = optimizer, change_inputs
        self.logs = ["loss"]
        if len(losses) > 1:
            self.logs += [f"{names[i]}_loss" for i in losses]
        self.logs += [name for _, name, _ in metrics]
        self.train = jax.jit(self._train, donate_argnums=(0, 1))
        self.evaluate = jax.jit(lambda *args: self.loss(False, *args)[1])
        self.gradients = jax.jit(jax.grad(lambda *args: self.loss(True, *args)[0]))

    def loss(self, is_training: bool, parameters, constants, batch: dict, own, key):
        """
        Compute the loss of a batch, and what is logged.

        Parameters
        ----------
        is_training : bool
            Whether it is for training.
        parameters, constants : optional
            As for `Forward`.
        batch : dict of {str: dict}
            ``"features"``, or ``"x"`` of which they are computed; ``"y"`` and ``"weights"``
            by the numbers of the probes.
        own, key : optional
            As for `Forward`.

        Returns
        -------
        loss : array of shape ()
            The loss.
        logs : array of shape (n_logs,)
            Loss, losses and metrics.
        """
        forward = self.forward[is_training]
        outputs = forward(parameters, constants, batch, own, key)
        y, weights = batch["y"], batch["weights"]

        def value(i, function):
            return mean(function, y.get(i), outputs[i], weights.get(i))

        losses = [factor * value(i, f) for i, (f, factor) in self.losses.items()]
        total = sum(losses[1:], losses[0])
        logs = [total, *(losses if len(losses) > 1 else [])]
        logs += [value(i, function) for i, _, function in self.metrics]
        return total, jnp.stack([jnp.asarray(x, jnp.float32) for x in logs])

    def _train(self, parameters, state, iteration, constants, batches, own, key, n):
        """Train on ``n`` batches, along the first axis of ``batches``."""
        differentiate = jax.value_and_grad(partial(self.loss, True), has_aux=True)

        def body(i, carry):
            parameters, state, iteration, total = carry
            batch = jax.tree.map(lambda a: a[i], batches)
            now = jax.random.fold_in(jax.random.wrap_key_data(key, impl="rbg"), iteration)
            now = jax.random.key_data(now)
            if self.change_inputs is not None:
                batch = self._changed(parameters, batch, own, now)
            (_, logs), gradients = differentiate(parameters, constants, batch, own, now)
            updates, state = self.optimizer.update(gradients, state, parameters)
            parameters = optax.apply_updates(parameters, updates)
            return parameters, state, iteration + 1, total + logs

        total = jnp.zeros(len(self.logs), jnp.float32)
        return jax.lax.fori_loop(0, n, body, (parameters, state, iteration, total))

    def _changed(self, parameters, batch, own, key):
        """A batch with other inputs."""
        group = "features" if "features" in batch else "x"
        constants = self.forward[False].constants

        def loss(inputs):
            now = {**batch, group: inputs}
            return self.loss(False, parameters, constants, now, own, key)[0]

        return {**batch, group: self.change_inputs(batch[group], loss)}


def predictor(forward: Forward) -> Callable:
    """Compile what the probes show."""

    def predict(parameters: list, constants: list, batch: dict, own: Any, key: Any):
        return forward(parameters, constants, batch, own, key)

    return jax.jit(predict)
