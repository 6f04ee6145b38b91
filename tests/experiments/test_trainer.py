import numpy as np
import pytest

pytest.importorskip("optax")

import jax
import jax.numpy as jnp

from experiments.psmnist._trainer import pusher
from lmu_nengo import LegendreMemory, Windowed
from lmu_nengo.signal import simulate


def test_inputs_are_pushed_along_the_gradient_of_the_loss():
    n_steps, order, distance = 30, 4, 0.7
    memory = LegendreMemory(0.03, order, realization=Windowed(n_steps))
    rng = np.random.RandomState(0)
    x, w = rng.randn(4, n_steps), rng.randn(4, order)

    def coefficients(x):
        Ad, Bd = memory.discrete()
        return np.array([simulate(Ad, Bd, row[:, None])[-1] for row in x])

    def loss(inputs):
        return jnp.sum((jnp.tanh(inputs[1][:, 0]) - w) ** 2)

    m = coefficients(x)
    inputs = {0: jnp.zeros((4, 1)), 1: jnp.asarray(m, jnp.float32)[:, None]}
    changed = pusher(memory, distance)(inputs, loss)
    # by hand: the gradient of the pixels is the adjoint of the memory
    g = np.asarray(jax.grad(loss)(inputs)[1][:, 0])
    response = coefficients(np.eye(n_steps))  # row t: of a pixel in step t
    direction = g @ response.T
    moves = distance * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    moves[::2] = 0
    assert np.abs(changed[1][:, 0] - coefficients(x + moves)).max() < 1e-5
    assert np.array_equal(changed[0], inputs[0])
    assert loss(changed) > loss(inputs)
