"""A memory after all steps, in JAX: by blocks, as in training, against a Fourier transform.

Each computes the memory of a batch and the gradient of the sum of its squares with respect
to the input, compiled, in turns. Milliseconds are medians over the rounds of the
processor's time, and ratios. `--out` writes all of it.
"""

import json
import statistics
import time
from importlib import metadata
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import numpy as np

from lmu_nengo.signal import discretize, impulse_response, state_space
from lmu_nengo.training.jax.network.sequences import all_steps

CASES = (  # batch, steps, order; windows as long as the sequence
    *((100, 64, 6), (100, 64, 32), (100, 784, 32)),
    *((20, 784, 256), (10, 4000, 16), (1, 20_000, 64)),
)


def by_transform(u, Ad, Bd):
    """The same as `all_steps`, by a product of Fourier transforms."""
    n_steps = u.shape[1]
    n = 2 ** int(np.ceil(np.log2(2 * n_steps)))
    response = np.fft.rfft(impulse_response(Ad, Bd, n_steps), n, axis=0)
    spectrum = jnp.fft.rfft(u, n, axis=1)[..., None]
    product = spectrum * jnp.asarray(response, jnp.complex64)[:, None]
    return jnp.fft.irfft(product, n, axis=1)[:, :n_steps]


def milliseconds(function, u):
    """Processor time of one call."""
    started = time.process_time()
    jax.block_until_ready(function(u))
    return 1000 * (time.process_time() - started)


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, help="Number of rounds.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(rounds, out):
    """Take turns; print times and ratios."""
    figures = {}
    for batch, n_steps, order in CASES:
        Ad, Bd = discretize(*state_space(float(n_steps), order), dt=1.0)
        u = jnp.asarray(np.random.RandomState(0).randn(batch, n_steps, 1), jnp.float32)
        functions = {
            name: jax.jit(
                jax.value_and_grad(lambda u, f=f, A=Ad, B=Bd: (f(u, A, B) ** 2).sum())
            )
            for name, f in (("blocks", all_steps), ("transform", by_transform))
        }
        both = [f(u) for f in functions.values()]
        np.testing.assert_allclose(
            both[0][1], both[1][1], atol=1e-3 * np.abs(both[0][1]).max()
        )
        times = {name: [] for name in functions}
        for _ in range(rounds):
            for name, f in functions.items():
                times[name].append(milliseconds(f, u))
        found = {name: statistics.median(values) for name, values in times.items()}
        found["ratio"] = statistics.median(
            b / a for a, b in zip(times["blocks"], times["transform"], strict=True)
        )
        figures[f"{batch} x {n_steps}, order {order}"] = found
        print(
            f"{batch} sequences of {n_steps} steps, order {order}: blocks "
            f"{found['blocks']:.3g} ms, transform {found['transform']:.3g} ms, "
            f"ratio {found['ratio']:.3g}",
            flush=True,
        )
    if out:
        settings = {"rounds": rounds, "cases": CASES, "jax": metadata.version("jax")}
        out.write_text(json.dumps({"settings": settings, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
