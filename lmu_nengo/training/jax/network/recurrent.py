"""A recurrence over all steps of a sequence, with its gradient written out."""

import jax
import jax.numpy as jnp


def recurrence(weights, drive, activation, n_linear):
    """
    Solve ``s[t] = phi(s[t-1]) P' + g[t]`` for all steps, from zero.

    ``phi`` leaves the first ``n_linear`` values of the state as they are and applies
    ``activation`` to the others. The backward pass goes through the steps for the errors
    only; the gradient of the weights is one product of all steps at the end.

    Parameters
    ----------
    weights : array of shape (size, size)
        ``P``.
    drive : array of shape (n_steps, batch, size)
        ``g``.
    activation : callable
        A function of an array, element by element.
    n_linear : int
        How many values are linear.

    Returns
    -------
    states : array of shape (n_steps, batch, size)
        ``s``; before the activation, that is.
    """

    def phi(s):
        linear, current = s[..., :n_linear], s[..., n_linear:]
        return jnp.concatenate([linear, activation(current)], axis=-1)

    def forward(weights, drive):
        def step(s, g):
            s = phi(s) @ weights.T + g
            return s, s

        return jax.lax.scan(step, jnp.zeros_like(drive[0]), drive)[1]

    @jax.custom_vjp
    def solve(weights, drive):
        return forward(weights, drive)

    def solve_forward(weights, drive):
        states = forward(weights, drive)
        return states, (weights, states)

    def solve_backward(kept, errors):
        weights, states = kept
        current = states[..., n_linear:]
        slopes = jax.vjp(activation, current)[1](jnp.ones_like(current))[0]

        def back(delta, now):
            error, slope = now
            delta = delta @ weights
            linear, current = delta[..., :n_linear], delta[..., n_linear:]
            delta = jnp.concatenate([linear, current * slope], axis=-1) + error
            return delta, delta

        _, deltas = jax.lax.scan(
            back, jnp.zeros_like(errors[0]), (errors, slopes), reverse=True
        )
        before = jnp.concatenate([phi(jnp.zeros_like(states[:1])), phi(states[:-1])])
        size = len(weights)
        return deltas.reshape(-1, size).T @ before.reshape(-1, size), deltas

    solve.defvjp(solve_forward, solve_backward)
    return solve(weights, drive)
