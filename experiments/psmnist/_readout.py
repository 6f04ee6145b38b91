"""A hidden layer and a read-out of exact coefficients, trained in JAX.

The coefficients at the end of a digit are a fixed linear function of its pixels. A network
that reads nothing else is therefore trained without the memory, in seconds.
"""

from typing import NamedTuple

import numpy as np

NOISE = 0.05  # standard deviation in training, over that of the coefficients
N_SENSITIVE = 3000  # digits from which the sensitivity is estimated


class Readout(NamedTuple):
    """
    A layer of rectified linear neurons, and ten outputs.

    Attributes
    ----------
    weights, bias : ndarray of shape (order, n_hidden) and (n_hidden,)
        Of the hidden layer.
    out_weights, out_bias : ndarray of shape (n_hidden, 10) and (10,)
        Of the outputs.
    """

    weights: np.ndarray
    bias: np.ndarray
    out_weights: np.ndarray
    out_bias: np.ndarray

    def activities(self, m):
        """Activities (n_digits, n_hidden) of the hidden layer for coefficients ``m``."""
        return np.maximum(m @ self.weights + self.bias, 0)

    def outputs(self, m):
        """Outputs of shape (n_digits, 10) for coefficients ``m``."""
        return self.activities(m) @ self.out_weights + self.out_bias

    def sensitivity(self, m):
        """
        Fisher information of the answers about the coefficients.

        Parameters
        ----------
        m : ndarray of shape (n_digits, order)
            Coefficients.

        Returns
        -------
        information : ndarray of shape (order, order)
            A small error ``e`` changes the answers' distribution by a mean Kullback-Leibler
            divergence of ``e @ information @ e / 2``.
        """
        m = m[:N_SENSITIVE]
        scores = np.exp(self.outputs(m) - self.outputs(m).max(axis=1, keepdims=True))
        p = scores / scores.sum(axis=1, keepdims=True)
        p = 0.9 * p + 0.1 / p.shape[1]  # certain answers count as well
        information = np.zeros((m.shape[1], m.shape[1]))
        for active, row in zip(self.activities(m) > 0, p, strict=True):
            slopes = self.weights[:, active] @ self.out_weights[active]
            slopes -= (slopes @ row)[:, None]
            information += slopes * row @ slopes.T / len(m)
        return information


def train(x, y, response, preset, seed):
    """
    Train by Adam, with a learning rate that falls to zero as a cosine.

    Every other digit is moved adversarially: by a Euclidean distance in pixels, in
    the direction in which the loss grows fastest.

    Parameters
    ----------
    x : ndarray of shape (n_digits, n_pixels)
        Sequences.
    y : ndarray of shape (n_digits,)
        Labels.
    response : ndarray of shape (n_pixels, order)
        The coefficients are ``x @ response``.
    preset : experiments.psmnist._frontier.Preset
        How to train.
    seed : int
        Seed of weights, order, noise and dropout.

    Returns
    -------
    readout : Readout
        For coefficients as they are.
    """
    import jax
    import jax.numpy as jnp

    m = x @ response
    mean, spread = m.mean(axis=0), m.std(axis=0)
    n_digits, order = m.shape
    epochs, batch, n_hidden = preset.epochs, preset.batch, preset.n_hidden
    n_batches = n_digits // batch
    inputs, labels, metric = (
        jnp.asarray(a, dtype=jnp.int32 if a.dtype == int else jnp.float32)
        for a in ((m - mean) / spread, y, response.T @ response)
    )
    metric = metric / np.outer(spread, spread)
    rng = np.random.RandomState(seed)
    start = (
        rng.randn(order, n_hidden) * np.sqrt(2 / order),
        np.zeros(n_hidden),
        rng.randn(n_hidden, 10) * np.sqrt(0.2 / n_hidden),
        np.zeros(10),
    )
    start = tuple(jnp.asarray(a, jnp.float32) for a in start)

    def loss(weights, m, y, kept=1.0):
        hidden = jnp.maximum(m @ weights[0] + weights[1], 0) * kept
        scores = jax.nn.log_softmax(hidden @ weights[2] + weights[3])
        return -jnp.take_along_axis(scores, y[:, None], axis=1).mean()

    def update(state, drawn):
        weights, slope, square, t = state
        chosen, key = drawn
        m, y = inputs[chosen], labels[chosen]
        keys = jax.random.split(key)
        m = m + NOISE * jax.random.normal(keys[0], m.shape)
        gradient = jax.grad(loss, 1)(weights, m[::2], y[::2])
        move = gradient @ metric
        length = jnp.sqrt((gradient * move).sum(axis=1, keepdims=True)) + 1e-12
        m = m.at[::2].add(preset.push * move / length)
        kept = jax.random.bernoulli(keys[1], 1 - preset.dropout, (batch, n_hidden))
        gradient = jax.grad(loss)(weights, m, y, kept / (1 - preset.dropout))
        rate = 1e-3 * (1 + jnp.cos(jnp.pi * t / (epochs * n_batches)))
        t = t + 1

        def adam(w, g, slope, square):
            slope, square = 0.9 * slope + 0.1 * g, 0.999 * square + 0.001 * g**2
            step = slope / (1 - 0.9**t) / (jnp.sqrt(square / (1 - 0.999**t)) + 1e-8)
            return w - rate * step, slope, square

        new = zip(*map(adam, weights, gradient, slope, square), strict=True)
        return (*map(tuple, new), t), None

    epoch = jax.jit(lambda state, batches: jax.lax.scan(update, state, batches)[0])
    zeros = tuple(jnp.zeros_like(w) for w in start)
    state = start, zeros, zeros, jnp.float32(0)
    with jax.default_matmul_precision("highest"):
        for i in range(epochs):
            chosen = rng.permutation(n_digits)[: n_batches * batch].reshape(-1, batch)
            keys = jax.random.split(jax.random.PRNGKey(1000 * seed + i), n_batches)
            state = epoch(state, (jnp.asarray(chosen), keys))
    weights, bias, *out = (np.array(w, dtype=np.float64) for w in state[0])
    weights = weights / spread[:, None]
    return Readout(weights, bias - mean @ weights, *out)
