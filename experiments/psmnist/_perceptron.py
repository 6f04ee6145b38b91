"""The layers of `psmnist` after its memory, trained on what a fixed linear map gives.

A memory that is read at the last step is a fixed linear map of the sequence. What follows
is trained without it, many times as fast as the windowed network, with the same result.
"""

import functools
from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Trained(NamedTuple):
    """
    What training gave.

    Attributes
    ----------
    weights : list of (ndarray, ndarray)
        Weights (n_in, n_out) and bias of each layer, of the best epoch; the read-out has no
        bias.
    validation : list of float
        Accuracy in % on the validation set after each epoch.
    """

    weights: list
    validation: list

    def outputs(self, m):
        """Outputs of shape (n, 10) for what the map gives, of shape (n, q)."""
        return np.asarray(forward(self.weights, m))


def initial(sizes, seed):
    """
    Initial weights: those of the network of `psmnist`.

    Parameters
    ----------
    sizes : tuple of int
        Of the map, of the hidden layers and of the output.
    seed : int
        Seed of the weights.

    Returns
    -------
    weights : list of (ndarray, ndarray)
        Glorot's uniform distribution, and biases of zero; the last bias is None.
    """
    rng, weights = np.random.RandomState(seed), []
    for n_in, n_out in pairwise(sizes):
        limit = np.sqrt(6 / (n_in + n_out))
        w = rng.uniform(-limit, limit, size=(n_out, n_in)).T.astype(np.float32)
        weights.append((w, np.zeros(n_out, np.float32)))
    weights[-1] = weights[-1][0], None
    return weights


def forward(weights, m, kept=None):
    """Outputs of rectified linear layers; ``kept`` are factors of dropout before each."""
    import jax.numpy as jnp

    for i, (w, b) in enumerate(weights):
        if i:
            m = jnp.maximum(m, 0)
        if kept is not None:
            m = m * kept[i]
        m = m @ w if b is None else m @ w + b
    return m


def train(data, validation, metric, preset, seed):
    """
    Train by Adam as the presets of `psmnist` do, and keep the best epoch.

    Parameters
    ----------
    data, validation : tuple of (ndarray, ndarray)
        What the map gives, (n, q), and labels.
    metric : ndarray of shape (q, q)
        ``columns.T @ columns`` of the map: moving pixels along a gradient ``g`` of its
        values moves these by ``g @ metric``.
    preset : experiments.psmnist._training.Preset
        Hidden layers, dropout, adversarial push, epochs, batch and learning rate.
    seed : int
        Seed of weights, order and dropout.

    Returns
    -------
    trained : Trained
        The best epoch.
    """
    import jax
    import jax.numpy as jnp

    if np.allclose(metric, np.eye(len(metric)), atol=1e-5):
        metric = None  # orthonormal columns: nothing to multiply by
    fixed = jax.tree.map(jnp.asarray, (*data, metric))
    n_digits, batch = len(data[0]), preset.batch
    n_batches = n_digits // batch
    optimizer, epoch = compiled(preset, n_batches)
    weights = initial((data[0].shape[1], *preset.hidden, 10), seed)
    state = weights, optimizer.init(weights)
    best, found = weights, []
    for i in range(preset.epochs):
        order = np.random.default_rng([seed, i]).permutation(n_digits)
        order = jnp.asarray(order[: n_batches * batch].reshape(-1, batch))
        # the default generator takes longer than the network
        keys = jax.random.split(jax.random.key(1000 * seed + i, impl="rbg"), n_batches)
        state = epoch(state, (order, keys), *fixed)
        found.append(accuracy(forward(state[0], validation[0]), validation[1]))
        if found[-1] == max(found):
            best = state[0]
    return Trained(jax.device_get(best), found)


@functools.cache
def compiled(preset, n_batches):
    """Optimizer of a training, and a function that trains for one epoch."""
    import jax
    import jax.numpy as jnp
    import optax

    rate = optax.cosine_decay_schedule(preset.rate, preset.epochs * n_batches)
    optimizer = optax.adam(rate, eps=1e-7)
    moved = (jnp.arange(preset.batch) % 2)[:, None] * preset.push

    def loss(weights, m, y, kept=None):
        scores = forward(weights, m, kept)
        return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

    def drop(key, rate, size):
        kept = jax.random.bernoulli(key, 1.0 - rate, (preset.batch, size))
        return kept / (1.0 - rate)

    def update(state, drawn, m, y, metric):
        weights, moments = state
        chosen, key = drawn
        x, labels = m[chosen], y[chosen]
        if preset.push:
            gradient = jax.grad(loss, 1)(weights, x, labels)
            move = gradient if metric is None else gradient @ metric
            length = jnp.sqrt(jnp.maximum((gradient * move).sum(1, keepdims=True), 0))
            x = x + moved * move / (length + 1e-12)
        keys, sizes = jax.random.split(key, len(weights)), [len(w) for w, _ in weights]
        kept = list(map(drop, keys, preset.dropout, sizes))
        gradient = jax.grad(loss)(weights, x, labels, kept)
        steps, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(weights, steps), moments), None

    @jax.jit
    def epoch(state, drawn, *fixed):
        return jax.lax.scan(lambda s, d: update(s, d, *fixed), state, drawn)[0]

    return optimizer, epoch


def accuracy(outputs, y):
    """Percentage of digits whose largest output is at the label."""
    return 100 * float(np.mean(np.asarray(outputs).argmax(axis=1) == y))
