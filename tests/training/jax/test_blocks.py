"""A cell that feeds back, in blocks of any length, against its steps."""

import numpy as np
import pytest

pytest.importorskip("optax")

import jax
import jax.numpy as jnp

from lmu_nengo.signal import discretize, state_space
from lmu_nengo.training.jax.network.blocks import cell_blocks

BATCH, N_STEPS, CHANNELS, HIDDEN, ORDER, SIZE_IN = 3, 17, 2, 5, 6, 3  # not whole blocks
SHAPES = {
    "input_encoders": (CHANNELS, SIZE_IN),
    "hidden_encoders": (CHANNELS, HIDDEN),
    "memory_encoders": (CHANNELS, CHANNELS * ORDER),
    "input_kernel": (HIDDEN, SIZE_IN),
    "hidden_kernel": (HIDDEN, HIDDEN),
    "memory_kernel": (HIDDEN, CHANNELS * ORDER),
    "bias": (HIDDEN,),
}


@pytest.mark.parametrize("block", [1, 2, 3, 7, None])
def test_blocks_of_any_length_give_states_and_gradient_of_the_steps(block):
    rng = np.random.RandomState(0)
    Ad, Bd = discretize(*state_space(0.01, ORDER), 0.001)
    direction = rng.randn(BATCH, N_STEPS, CHANNELS + HIDDEN)
    paths = {name: 0.3 * rng.randn(*shape) for name, shape in SHAPES.items()}
    x = rng.randn(BATCH, N_STEPS, SIZE_IN)

    def by_blocks(paths, x):
        return jnp.concatenate(cell_blocks(paths, x, Ad, Bd, jnp.tanh, block), axis=2)

    def last(paths, x):
        return jnp.concatenate(
            cell_blocks(paths, x, Ad, Bd, jnp.tanh, block, last_only=True), axis=2
        )

    def by_steps(paths, x):
        m = jnp.zeros((BATCH, CHANNELS, ORDER))
        h, states = jnp.zeros((BATCH, HIDDEN)), []
        p = {name: path.T for name, path in paths.items()}
        for t in range(N_STEPS):
            u = x[:, t] @ p["input_encoders"] + h @ p["hidden_encoders"]
            u += m.reshape(BATCH, -1) @ p["memory_encoders"]
            m = m @ Ad.T + u[..., None] * Bd[:, 0]
            j = x[:, t] @ p["input_kernel"] + h @ p["hidden_kernel"] + p["bias"]
            h = jnp.tanh(j + m.reshape(BATCH, -1) @ p["memory_kernel"])
            states.append(jnp.concatenate([u, h], axis=1))
        return jnp.stack(states, axis=1)

    with jax.enable_x64(True):
        results = []
        for function in (by_blocks, by_steps, last, lambda *args: by_steps(*args)[:, -1:]):

            def total(*args, function=function):
                states = function(*args)
                return jnp.sum(states * direction[:, -states.shape[1] :]), states

            gradient = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
            results.append(jax.tree.leaves(gradient(paths, x)))
    for pair in (results[:2], results[2:]):
        for found, expected in zip(*pair, strict=True):
            assert np.abs(found - expected).max() < 1e-10 * np.abs(expected).max()
