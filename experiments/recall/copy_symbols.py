"""Copy memory: repeat 100 random symbols after a delay.

100 symbols of an alphabet of eight, one a step; --delays blank steps; then the network
names them in their order, one a step. Random guesses are right in 12.5 % of the symbols.
This is the task of Hochreiter and Schmidhuber (1997) and of Arjovsky et al. (2016), with
ten times as many symbols.

LMU: one memory for each symbol's channel, all with the same read-out of `order` weights,
which does not change over the steps: to copy is to delay. As symbols are drawn
independently, the read-out with the least expected square error has a closed form, and
nothing is trained. The window is the one of a few multiples of the delay with the
least expected error. The answer is the channel with the largest output.

LSTM, GRU: 128 units, Adam at 0.003, batches of 50, gradients clipped to a norm of 1,
trained for --minutes of processor time each; they also see a flag in the steps in which
they are to answer. Accuracies are of 500 new sequences.
"""

import time
from functools import partial

import click
import numpy as np

import lmu_nengo
from experiments._lib.command_line import (
    console,
    minutes_option,
    need_nengo_dl,
    plain_errors,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.results import part, report, save_figure

N_SYMBOLS, ALPHABET = 100, 8
ORDERS = (8, 16, 32, 64, 128, 192, 256, 512)
STRETCHES = (1.0, 1.02, 1.05, 1.1, 1.2, 1.4)  # window over the time to hold a symbol
RIDGE = 1e-12  # of the largest eigenvalue
N_TESTS, N_UNITS, BATCH, RATE, CLIP = 500, 128, 50, 3e-3, 1.0
KINDS = ("lstm", "gru")


def lags(delay):
    """Steps between each symbol and each answer, and in how many pairs they occur."""
    offsets = np.arange(1 - N_SYMBOLS, N_SYMBOLS)
    return N_SYMBOLS + delay + offsets, N_SYMBOLS - np.abs(offsets)


def responses(delay, order, stretch):
    """
    State of a memory at each of the `lags` after a pulse.

    Parameters
    ----------
    delay : int
        Blank steps.
    order : int
        Order of the memory.
    stretch : float
        Its window, over the steps for which a symbol is to be held.

    Returns
    -------
    responses : ndarray of shape (n_lags, order)
        The states.
    """
    steps, _ = lags(delay)
    system = lmu_nengo.signal.state_space(stretch * (N_SYMBOLS + delay), order)
    system = lmu_nengo.signal.discretize(*system, dt=1.0)
    return lmu_nengo.signal.impulse_response(*system, steps[-1] + 1)[steps]


def kernel(delay, order, stretches=STRETCHES):
    """
    What the best read-out makes of a pulse, by `lags`.

    Parameters
    ----------
    delay, order : int
        As for `responses`.
    stretches : iterable of float
        Windows; the one with the least expected error is used.

    Returns
    -------
    kernel : ndarray of shape (n_lags,)
        Close to 1 in the middle and to 0 elsewhere.
    stretch : float
        The window.
    """
    _, pairs = lags(delay)
    wanted = np.zeros(len(pairs))
    wanted[N_SYMBOLS - 1] = 1
    best = None
    for stretch in stretches:
        states = responses(delay, order, stretch)
        # least squares over all pairs of a symbol and an answer, in which a symbol
        # counts as often as its lag occurs
        weight = np.sqrt(pairs)[:, None]
        decoder = np.linalg.lstsq(weight * states, weight[:, 0] * wanted, rcond=RIDGE)[0]
        made = states @ decoder
        error = float(pairs @ (made - wanted) ** 2) / N_SYMBOLS
        if best is None or error < best[0]:
            best = error, made, stretch
    return best[1:]


def draw(n_sequences, rng):
    """Symbols of shape (n_sequences, N_SYMBOLS), from 0."""
    return rng.integers(ALPHABET, size=(n_sequences, N_SYMBOLS))


def copied(made, symbols):
    """
    Percentage of the symbols that are named in their step.

    Parameters
    ----------
    made : ndarray of shape (n_lags,)
        What `kernel` returned.
    symbols : ndarray of int of shape (n_sequences, N_SYMBOLS)
        What was shown.

    Returns
    -------
    accuracy : float
        In %.
    """
    shown = np.eye(ALPHABET)[symbols]
    index = np.arange(N_SYMBOLS)
    answers = made[index[:, None] - index + N_SYMBOLS - 1] @ shown
    return 100 * float(np.mean(answers.argmax(axis=-1) == symbols))


def sequences(symbols, delay):
    """Inputs (n, n_steps, ALPHABET + 1): symbols, blanks, and the flag to answer."""
    n = len(symbols)
    x = np.zeros((n, 2 * N_SYMBOLS + delay, ALPHABET + 1), dtype=np.float32)
    x[:, :N_SYMBOLS, :ALPHABET] = np.eye(ALPHABET)[symbols]
    x[:, N_SYMBOLS + delay :, ALPHABET] = 1
    return x


def train_network(kind, delay, seconds, seed):
    """
    Train and test a recurrent network.

    Parameters
    ----------
    kind : {"lstm", "gru"}
        Type of its layer.
    delay : int
        Blank steps.
    seconds : float
        Processor time of training.
    seed : int
        Seed of weights and sequences; each batch is new.

    Returns
    -------
    result : dict
        ``accuracy`` in %, ``updates``, ``parameters``.
    """
    from experiments._lib.keras_models import recurrent_model  # first: it selects Keras

    # isort: split
    import tensorflow as tf

    model = recurrent_model(kind, N_UNITS, ALPHABET + 1, ALPHABET, seed=seed)
    model = tf.keras.Sequential(
        [*model.layers, tf.keras.layers.Lambda(lambda y: y[:, -N_SYMBOLS:])]
    )
    model.compile(
        tf.keras.optimizers.Adam(RATE, clipnorm=CLIP),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    rng = np.random.default_rng([seed, delay])

    def batch():
        symbols = draw(BATCH, rng)
        return sequences(symbols, delay), symbols

    model.train_on_batch(*batch())  # compiles
    started, updates = time.process_time(), 0
    while time.process_time() - started < seconds:
        model.train_on_batch(*batch())
        updates += 1
    symbols = draw(N_TESTS, np.random.default_rng([seed, delay, 1]))
    right = [
        model.predict_on_batch(sequences(part, delay)).argmax(axis=2) == part
        for part in np.array_split(symbols, N_TESTS // BATCH)
    ]
    return {
        "accuracy": 100 * float(np.mean(np.concatenate(right))),
        "updates": updates,
        "parameters": int(model.count_params()),
    }


@click.command(help=__doc__)
@click.option(
    "--delays", default="100,1000", show_default=True, help="Blank steps, with commas."
)
@minutes_option(0.5, "Processor time for each recurrent network.")
@seeds_option()
@resume_option
@shared_options
def main(delays, minutes, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    try:
        delays = [int(delay) for delay in delays.split(",")]
    except ValueError:
        raise click.UsageError(
            "--delays: whole numbers with commas, as in 100,1000."
        ) from None
    n_seeds, kinds, orders = (1, (), ORDERS[:5]) if quick else (n_seeds, KINDS, ORDERS)
    seeds = range(seed, seed + n_seeds)
    if kinds:
        need_nengo_dl("Training an LSTM or a GRU")
    folder = out / "copy_symbols-networks"
    figures, windows = {}, {}
    with plain_errors():
        for delay in delays:
            for order in orders:
                started = time.process_time()
                made, stretch = kernel(delay, order)
                spent = time.process_time() - started
                accuracy = [
                    copied(made, draw(N_TESTS, np.random.default_rng([s, delay, 1])))
                    for s in seeds
                ]
                figures[f"lmu{order}_{delay}"] = float(np.mean(accuracy))
                windows[f"lmu{order}_{delay}"] = [stretch, round(spent, 2)]
            for kind in kinds:
                results = []
                for s in seeds:
                    path = folder / f"{kind}_{delay}_{s}.json"
                    asked = kind, delay, 60 * minutes, s
                    make = partial(train_network, *asked)
                    results.append(part(path, asked, resume, make))
                accuracy = [result["accuracy"] for result in results]
                console.print(f"{kind}, delay {delay}: {accuracy}")
                figures[f"{kind}_{delay}"] = float(np.mean(accuracy))
                figures[f"{kind}_{delay}_best"] = float(np.max(accuracy))
                figures[f"{kind}_{delay}_updates"] = float(
                    np.mean([result["updates"] for result in results])
                )
                figures[f"{kind}_parameters"] = results[0]["parameters"]
    settings = {
        "delays": delays,
        "minutes": minutes,
        "seeds": list(seeds),
        "window over delay, and seconds": windows,
    }
    path = report("copy_symbols", seed, quick, figures, {}, out, settings)
    draw_accuracy(figures, delays, orders, kinds, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw_accuracy(figures, delays, orders, kinds, path):
    """Draw the accuracy against the order, beside that of the trained networks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), layout="constrained")
    axes = figure.subplots()
    for i, delay in enumerate(delays):
        values = [figures[f"lmu{order}_{delay}"] for order in orders]
        axes.plot(orders, values, "o-", color=f"C{i}", ms=4, label=f"LMU, delay {delay}")
        for kind, style in zip(kinds, ("--", ":"), strict=False):
            label = f"{kind.upper()}, delay {delay}"
            axes.axhline(figures[f"{kind}_{delay}"], color=f"C{i}", ls=style, label=label)
    axes.axhline(100 / ALPHABET, color="black", lw=0.8, label="chance")
    axes.set(xscale="log", xlabel="order of the memory", ylabel="symbols copied (%)")
    axes.set(ylim=(0, 103), title=f"{N_SYMBOLS} symbols, repeated after a delay (steps)")
    axes.set_xticks(orders, [str(order) for order in orders], minor=False)
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    save_figure(figure, path)
