"""Permuted sequential digits, read while they are shown: accuracy of the digit so far.

A Legendre memory whose window is the whole digit is read after an eighth, a quarter, a
half, three quarters and all of the steps (MNIST: 98, 196, 392, 588 and 784). The memory is
the same in all of them and is not trained; what it holds of the past is all that is read.
Beside it: a delay line of as many values (the last pixels), and all pixels so far.

What is held is read by 1,000 rectified linear neurons with random weights and ridge
regression, in closed form, one read-out for each of these steps, from the first --digits
training digits. A fifth of them chooses the strength of the regression. Three seeds:
permutation and random weights. Accuracy of all test digits, in %.
"""

import time
from functools import partial

import click
import numpy as np

import lmu_nengo
from experiments._lib.command_line import (
    console,
    plain_errors,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.results import checksum, part, report, save_figure
from experiments.psmnist._data import data_options, load_digits

ORDERS = {784: (64, 128, 256), 64: (8, 16)}
SHARES = (1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)
KINDS = ("legendre", "delay")
N_HIDDEN = 1000
STRENGTHS = 10.0 ** np.arange(-5, 1)  # of the ridge regression, relative to the digits


def columns(kind, n_pixels, order, n_shown):
    """
    Linear map of a sequence to what is held of it after a number of steps.

    Parameters
    ----------
    kind : {"legendre", "delay", "pixels"}
        A memory whose window is the sequence; the last pixels; all pixels so far.
    n_pixels, order, n_shown : int
        Steps of a sequence; numbers that are held; steps so far.

    Returns
    -------
    columns : ndarray of shape (n_pixels, n_held)
        Pixels that were not shown have rows of zeros. Without what is always zero.
    """
    if kind == "legendre":
        system = lmu_nengo.signal.state_space(float(n_pixels), order)
        system = lmu_nengo.signal.discretize(*system, dt=1.0)
        lags = lmu_nengo.signal.impulse_response(*system, n_shown)[::-1]
        return np.pad(lags, ((0, n_pixels - n_shown), (0, 0)))
    first = 0 if kind == "pixels" else max(0, n_shown - order)
    return np.eye(n_pixels)[:, first:n_shown]


def features(m, mean, spread, seed):
    """Activities of random neurons for what is held, (n_digits, n_held), and a one."""
    rng = np.random.RandomState(seed)
    weights = rng.randn(m.shape[1], N_HIDDEN) / np.sqrt(m.shape[1])
    hidden = np.maximum((m - mean) / spread @ weights + rng.uniform(-1, 1, N_HIDDEN), 0)
    return np.hstack([hidden, np.ones((len(m), 1))]).astype(np.float32)


def ridge(a, y, strengths):
    """Weights of ridge regressions of ten classes, each (n_features, 10)."""
    gram, targets = (a.T @ a).astype(float), a.T @ np.eye(10, dtype=np.float32)[y]
    one = np.eye(len(gram))
    return [np.linalg.solve(gram + s * len(a) * one, targets) for s in strengths]


def accuracy(data, held, seed):
    """
    Fit a read-out of what is held, and test it.

    Parameters
    ----------
    data : tuple of ndarray
        Pixels and labels for training, and for testing.
    held : ndarray of shape (n_pixels, n_held)
        What is held is ``x @ held``.
    seed : int
        Seed of the random neurons.

    Returns
    -------
    accuracy : float
        In %.
    """
    x, y, x_test, y_test = data
    m, m_test = (part @ held.astype(np.float32) for part in (x, x_test))
    mean, spread = m.mean(axis=0), m.std(axis=0)
    moves = spread > 1e-6 * spread.max()  # pixels that never change tell nothing
    m, m_test, mean, spread = m[:, moves], m_test[:, moves], mean[moves], spread[moves]
    a, a_test = (features(part, mean, spread, seed) for part in (m, m_test))
    n = len(a) * 4 // 5

    def right(weights, a, y):
        return 100 * float(np.mean((a @ weights).argmax(axis=1) == y))

    tried = [right(w, a[n:], y[n:]) for w in ridge(a[:n], y[:n], STRENGTHS)]
    best = STRENGTHS[np.argmax(tried)]
    return right(ridge(a, y, [best])[0], a_test, y_test)


def measure(data, kind, n_pixels, q, step, seed):
    """Return the accuracy of what is held at a step, and the processor time it took."""
    started = time.process_time()
    value = accuracy(data, columns(kind, n_pixels, q, step), seed)
    return {"accuracy": value, "seconds": round(time.process_time() - started, 1)}


@click.command(help=__doc__)
@data_options
@click.option(
    "--digits",
    "n_digits",
    type=click.IntRange(1000),
    default=10_000,
    show_default=True,
    help="Digits to train on.",
)
@seeds_option()
@resume_option
@shared_options
def main(data, download, n_digits, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    digits = load_digits(None if quick else data, download and not quick)
    n_pixels = digits.x_train.shape[1]
    n_seeds = 1 if quick else n_seeds
    shown = [round(share * n_pixels) for share in SHARES]
    orders = ORDERS[n_pixels][-1:] if quick else ORDERS[n_pixels]
    cases = [(kind, order) for order in orders for kind in KINDS]
    cases.append(("pixels", n_pixels))
    found = {}
    with plain_errors():
        for s in range(seed, seed + n_seeds):
            order = np.random.RandomState(s).permutation(n_pixels)
            x, x_test = digits.x_train[:n_digits, order], digits.x_test[:, order]
            used = x, digits.y_train[:n_digits], x_test, digits.y_test
            asked = [n_digits, s, checksum(*used)]
            for kind, q in cases:
                for step in shown:
                    name = f"{kind}_{step}" if kind == "pixels" else f"{kind}{q}_{step}"
                    path = out / "psmnist_steps-parts" / f"{name}_{s}.json"
                    make = partial(measure, used, kind, n_pixels, q, step, s)
                    result = part(path, asked, resume, make)
                    found.setdefault(name, []).append(result["accuracy"])
                console.print(f"seed {s}, {kind} {q}: {found[name][-1]:.2f} % at the end")
    figures = {name: float(np.mean(values)) for name, values in found.items()}
    figures |= {f"{name}_worst": float(np.min(values)) for name, values in found.items()}
    made = {
        "digits": digits.name,
        "n_digits": n_digits,
        "seeds": n_seeds,
        "steps": shown,
        "orders": list(orders),
        "accuracy": found,
    }
    path = report("psmnist_steps", seed, quick, figures, {}, out, made, list(found))
    draw(figures, shown, orders, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(figures, shown, orders, path):
    """Draw accuracies against the steps so far."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.subplots()
    values = [figures[f"pixels_{step}"] for step in shown]
    axes.plot(shown, values, "k.-", lw=1, label="all pixels so far")
    for i, order in enumerate(orders):
        for kind, style, name in (("legendre", "o-", "LMU"), ("delay", "s--", "last")):
            values = [figures[f"{kind}{order}_{step}"] for step in shown]
            label = f"LMU, order {order}" if name == "LMU" else f"last {order} pixels"
            axes.plot(shown, values, style, color=f"C{i}", ms=4, label=label)
    axes.set(xlabel="pixels shown", ylabel="test digits named (%)", xlim=(0, None))
    axes.set(title="permuted sequential digits, read while they are shown")
    figure.legend(frameon=False, fontsize="small", loc="outside right center")
    save_figure(figure, path)
