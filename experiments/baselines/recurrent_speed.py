"""How long an LSTM, GRU or simple RNN takes to train: PyTorch, Keras and JAX on one thread.

Forward and backward, batches of 100 sequences of 784 steps of one value, a read-out of the
last state, at most 169,720 parameters (the size of psmnist's "small"). "torch" is the layer
of torch.nn with subnormal numbers flushed to zero, as `baselines` trains it, "bfloat16" the
same under autocast, "keras" the layer of Keras, compiled by XLA, "jax" a scan over
the steps whose input projections are computed before it. Figures: milliseconds of processor
time of all threads for each sequence, the least of --rounds rounds; OMP_NUM_THREADS and
TF_NUM_INTRAOP_THREADS=1 give each one thread.
"""

import time
from types import SimpleNamespace

import click
import numpy as np

from experiments._lib.command_line import (
    console,
    need_nengo_dl,
    need_torch,
    shared_options,
)
from experiments._lib.keras_models import recurrent_model, units_for
from experiments._lib.pytorch import one_thread
from experiments._lib.results import report

BATCH, N_STEPS, N_PARAMETERS, N_CLASSES = 100, 784, 169_720, 10
KINDS = ("lstm", "gru", "rnn")


def torch_step(kind, units, x, y, autocast=False):
    """Return a function that computes the gradients once, by PyTorch."""
    import torch

    from experiments.baselines._networks import Recurrent

    sizes = SimpleNamespace(input_d=1, output_d=N_CLASSES, n_outputs=1)
    network, x, y = Recurrent(kind, units, sizes), torch.as_tensor(x), torch.as_tensor(y)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            outputs = network(x)[:, 0]
        torch.nn.functional.cross_entropy(outputs.float(), y).backward()

    return step


def keras_step(kind, units, x, y):
    """Return a function that computes the gradients once, by Keras."""
    model = recurrent_model(kind, units, 1, N_CLASSES, last=True)
    import tensorflow as tf

    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    x, y = tf.constant(x), tf.constant(y)

    @tf.function(jit_compile=True)
    def step():
        with tf.GradientTape() as tape:
            value = loss(y, model(x))
        return tape.gradient(value, model.trainable_variables)

    return lambda: [each.numpy() for each in step()]


def jax_step(kind, units, x, y):
    """Return a function that computes the gradients once, by a scan in JAX; LSTM only."""
    import jax
    import jax.numpy as jnp
    import optax

    rng, n = np.random.RandomState(0), units
    shapes = (1, 4 * n), (n, 4 * n), (4 * n,), (n, N_CLASSES)
    weights = [jnp.asarray(0.05 * rng.standard_normal(s), jnp.float32) for s in shapes]
    x, y = jnp.asarray(x.swapaxes(0, 1)), jnp.asarray(y)

    def loss(weights):
        kernel, recurrent, bias, read = weights

        def step(state, current):
            h, c = state
            i, f, g, o = jnp.split(current + h @ recurrent, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

        zeros = jnp.zeros((x.shape[1], n))
        (h, _), _ = jax.lax.scan(step, (zeros, zeros), x @ kernel + bias)
        return optax.softmax_cross_entropy_with_integer_labels(h @ read, y).mean()

    gradient = jax.jit(jax.grad(loss))
    return lambda: jax.block_until_ready(gradient(weights))


@click.command(help=__doc__)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@shared_options
def main(rounds, quick, seed, out):
    """Run the experiment."""
    need_torch()
    need_nengo_dl("The layer of Keras")
    n_steps, kinds = (28, ("lstm",)) if quick else (N_STEPS, KINDS)
    rng = np.random.default_rng(seed)
    x = rng.random((BATCH, n_steps, 1), dtype=np.float32)
    y, steps, figures = rng.integers(N_CLASSES, size=BATCH), {}, {}
    for kind in kinds:
        units = figures[f"units_{kind}"] = units_for(kind, N_PARAMETERS, 1, N_CLASSES)
        steps[f"torch_{kind}"] = torch_step(kind, units, x, y)
        steps[f"bfloat16_{kind}"] = torch_step(kind, units, x, y, autocast=True)
        if kind == "lstm":
            steps[f"jax_{kind}"] = jax_step(kind, units, x, y)
        steps[f"keras_{kind}"] = keras_step(kind, units, x, y)
    seconds = {name: [] for name in steps}
    with one_thread():
        for i in range(rounds + 1):  # the first compiles
            for name, step in steps.items():
                started = time.process_time()
                step()
                if i:
                    seconds[name].append(time.process_time() - started)
    figures |= {f"ms_{name}": 1e3 * min(found) / BATCH for name, found in seconds.items()}
    settings = {"batch": BATCH, "steps": n_steps, "rounds": rounds}
    path = report("recurrent_speed", seed, quick, figures, {}, out, settings)
    console.print(f"Wrote {path}.")
