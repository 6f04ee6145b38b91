"""Losses and metrics: by name, or functions of JAX arrays."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from nengo.exceptions import ValidationError


def mse(y_true, y_pred):
    """Mean squared error of each step."""
    return jnp.mean((y_true - y_pred) ** 2, axis=-1)


def mae(y_true, y_pred):
    """Mean absolute error of each step."""
    return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)


def sparse_categorical_crossentropy(y_true, y_pred):
    """Cross-entropy of classes, given as integers, and outputs before the softmax."""
    classes = y_true[..., 0].astype(np.int32)
    chosen = jnp.take_along_axis(y_pred, classes[..., None], axis=-1)[..., 0]
    return jax.nn.logsumexp(y_pred, axis=-1) - chosen


def categorical_crossentropy(y_true, y_pred):
    """Cross-entropy of the probabilities of classes, and outputs before the softmax."""
    return -jnp.sum(y_true * jax.nn.log_softmax(y_pred, axis=-1), axis=-1)


def accuracy(y_true, y_pred):
    """Whether the largest output is that of the class; an integer, or the largest."""
    if y_true.shape[-1] == 1 and y_pred.shape[-1] > 1:
        classes = y_true[..., 0].astype(np.int32)
    else:
        classes = jnp.argmax(y_true, axis=-1)
    return (jnp.argmax(y_pred, axis=-1) == classes).astype(y_pred.dtype)


LOSSES: dict[str, Callable] = {
    "mse": mse,
    "mae": mae,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
}
METRICS: dict[str, Callable] = {"accuracy": accuracy, **LOSSES}


class FiringRates:
    """
    Mean squared distance of neurons' mean rates from a target, relative to the target.

    For probes on neurons, together with the loss of the task::

        rates = nengo.Probe(ensemble.neurons)
        trainer.compile("adam", loss={output: "mse", rates: FiringRates(0.1)})
        trainer.fit(x, {output: y})

    Each neuron's rate is its mean over batch and time. No targets are needed.

    Parameters
    ----------
    target : float or tuple of (float, float)
        Rate, or lowest and highest rate, in the probe's units: Hz for neurons of amplitude
        1.
    weight : float
        Factor of the loss.

    Raises
    ------
    ValidationError
        If the target is not one or two numbers in ascending order, the last one above 0.

    Examples
    --------
    >>> import numpy as np
    >>> from lmu_nengo.training.jax import FiringRates
    >>> loss = FiringRates((1.0, 4.0))
    >>> rates = np.array([[[0.0, 2.0, 6.0]]])  # batch, steps, neurons
    >>> round(float(loss(None, rates)), 4)  # (1/16 + 0 + 4/16) / 3
    0.1042
    """

    needs_targets = False

    def __init__(self, target: float | tuple[float, float], weight: float = 1.0):
        ends = np.atleast_1d(np.asarray(target, dtype=np.float64))
        if ends.shape not in ((1,), (2,)) or not 0 <= ends[0] <= ends[-1] or not ends[-1]:
            raise ValidationError(
                "must be one rate above 0, or the lowest and the highest rate, got "
                f"{target!r}.",
                attr="target",
                obj=type(self),
            )
        self.low, self.high = float(ends[0]), float(ends[-1])
        self.weight = weight

    def __call__(self, y_true, y_pred):
        """Return the loss; ``y_true`` is ignored."""
        rates = jnp.mean(y_pred, axis=(0, 1))
        off = jnp.maximum(self.low - rates, 0) + jnp.maximum(rates - self.high, 0)
        return self.weight * jnp.mean((off / self.high) ** 2)


def find_function(value: Any, known: dict, attr: str, obj) -> tuple[str, Callable]:
    """The name and the function of a loss or a metric, or ValidationError."""
    if isinstance(value, str) and value in known:
        return value, known[value]
    if callable(value) and not isinstance(value, type):
        return getattr(value, "__name__", type(value).__name__), value
    raise ValidationError(
        f"must be one of {', '.join(map(repr, known))} or a function of JAX arrays "
        f"(y_true, y_pred), got {value!r}.",
        attr=attr,
        obj=obj,
    )


def mean(function: Callable, y_true, y_pred, weights):
    """The mean of a loss or metric over a batch, weighted if there are weights."""
    values = function(y_true, y_pred)
    if jnp.ndim(values) == 0:
        return values
    if weights is not None:
        values = values * weights.reshape(weights.shape + (1,) * (values.ndim - 2))
    return jnp.mean(values)
