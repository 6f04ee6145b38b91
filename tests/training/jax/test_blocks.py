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


def drawn():
    """Paths, input, and a direction along which states are added up."""
    rng = np.random.RandomState(0)
    direction = rng.randn(BATCH, N_STEPS, CHANNELS + HIDDEN)
    paths = {name: 0.3 * rng.randn(*shape) for name, shape in SHAPES.items()}
    return paths, rng.randn(BATCH, N_STEPS, SIZE_IN), direction


PATHS, X, DIRECTION = drawn()
AD, BD = discretize(*state_space(0.01, ORDER), 0.001)


def by_steps(paths, x):
    p = {name: path.T for name, path in paths.items()}

    def step(state, x):
        m, h = state
        u = x @ p["input_encoders"] + h @ p["hidden_encoders"]
        u += m.reshape(BATCH, -1) @ p["memory_encoders"]
        m = m @ AD.T + u[..., None] * BD[:, 0]
        j = x @ p["input_kernel"] + h @ p["hidden_kernel"] + p["bias"]
        h = jnp.tanh(j + m.reshape(BATCH, -1) @ p["memory_kernel"])
        return (m, h), jnp.concatenate([u, h], axis=1)

    start = jnp.zeros((BATCH, CHANNELS, ORDER)), jnp.zeros((BATCH, HIDDEN))
    states = jax.lax.scan(step, start, jnp.swapaxes(x, 0, 1))[1]
    return jnp.swapaxes(states, 0, 1)


def gradients_and_states(function):
    """Gradients of the added states with respect to paths and input, and the states."""

    def total(*args):
        states = function(*args)
        return jnp.sum(states * DIRECTION[:, -states.shape[1] :]), states

    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
        return jax.tree.leaves(gradient(PATHS, X))


@pytest.fixture(scope="module")
def of_the_steps():
    """What the steps give: all of them, and the last."""
    return {
        False: gradients_and_states(by_steps),
        True: gradients_and_states(lambda *args: by_steps(*args)[:, -1:]),
    }


@pytest.mark.parametrize("last_only", [False, True], ids=["all steps", "last step"])
@pytest.mark.parametrize("block", [1, 2, 3, 7, None])
def test_blocks_of_any_length_give_states_and_gradient_of_the_steps(
    block, last_only, of_the_steps
):
    def by_blocks(paths, x):
        blocks = cell_blocks(paths, x, AD, BD, jnp.tanh, block, last_only=last_only)
        return jnp.concatenate(blocks, axis=2)

    found = gradients_and_states(by_blocks)
    for got, expected in zip(found, of_the_steps[last_only], strict=True):
        assert np.abs(got - expected).max() < 1e-10 * np.abs(expected).max()
