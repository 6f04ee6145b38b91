"""Sound whose classes differ only in the order of its parts: three vowels, six orders.

Half a second at 8,000 samples a second: 4,000 steps. The vowels a, i and u are pulses that
pass two resonances, made here; speakers, pitch and lengths are random. Whoever does not
keep the order guesses one in six (16.7 %); whoever knows only the last vowel, one in two.

LMU: nothing but the read-out is fitted. A memory of order 12 over 40 samples (5 ms); 32
rectified linear neurons with random weights, which respond to frequencies; a memory of
order 1 to 8 over the whole sound for each of them; ridge regression of the last state,
whose strength is chosen by cross-validation. Without the second memory ("no_order"), only
the mean activity of each neuron is read.

LSTM: 64 units on the samples, and 64 units on frames of 40 samples (100 steps), which
shortens the time to be remembered 40 times. Adam at 0.003, batches of 50, gradients
clipped to a norm of 1, --minutes of processor time each; the best epoch on a fifth of the
training sounds. "seconds_lmu" is the processor time of the LMU of all orders.
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
from experiments._lib.results import part, report
from experiments.recall._vowels import CLASSES, N_STEPS, make_sounds

SHORT, SHORT_ORDER, N_NEURONS = 40, 12, 32
N_TRAIN, N_TEST, PART = 1000, 1000, 100
N_UNITS, BATCH, RATE, CLIP = 64, 50, 3e-3, 1.0
ORDERS = (1, 2, 4, 8)  # of the long memory
FRAMES = {"lstm": 1, "lstm_frames": SHORT}


def lags(window, order, n_steps):
    """Impulse response of a memory, (n_steps, order)."""
    system = lmu_nengo.signal.state_space(float(window), order)
    system = lmu_nengo.signal.discretize(*system, dt=1.0)
    return lmu_nengo.signal.impulse_response(*system, n_steps)


def states(sounds, orders, seed):
    """
    Last state of the memories of all neurons, for several orders.

    Parameters
    ----------
    sounds : ndarray of shape (n, N_STEPS)
        Samples.
    orders : iterable of int
        Orders of the long memory; 0 for the mean activity.
    seed : int
        Seed of the neurons.

    Returns
    -------
    states : list of ndarray of shape (n, N_NEURONS * order)
        Coefficients, by order.
    """
    from scipy.signal import fftconvolve

    rng = np.random.RandomState(seed)
    short = lags(SHORT, SHORT_ORDER, 3 * SHORT)  # by then it has forgotten
    directions = rng.randn(SHORT_ORDER, N_NEURONS)
    filters = short @ directions / np.linalg.norm(short @ directions, axis=0)
    ones = np.ones((N_STEPS, 1))
    read = [lags(N_STEPS, order, N_STEPS)[::-1] if order else ones for order in orders]
    found = [[] for _ in read]
    for some in np.array_split(sounds, -(-len(sounds) // PART)):
        made = [[] for _ in read]
        for each in filters.T:
            driven = fftconvolve(some, each[None], axes=1)[:, :N_STEPS]
            driven = np.maximum(driven, 0)
            for kept, columns in zip(made, read, strict=True):
                kept.append(driven @ columns)
        for kept, new in zip(found, made, strict=True):
            kept.append(np.hstack(new))
    return [np.concatenate(parts) for parts in found]


def fitted(x, y, x_test, y_test):
    """Accuracy in % of ridge regression."""
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 4, 8)))
    return 100 * float(model.fit(x, y).score(x_test, y_test))


def train_network(name, data, test, seconds, seed, folder, resume):
    """
    Train and test an LSTM.

    Parameters
    ----------
    name : str
        A key of `FRAMES`.
    data, test : tuple of ndarray
        Sounds and labels.
    seconds : float
        Processor time.
    seed : int
        Seed of weights and batches.
    folder : pathlib.Path
        For the checkpoint.
    resume : bool
        Whether to continue from there.

    Returns
    -------
    result : dict
        ``accuracy`` in %, ``epochs``, ``parameters``.
    """
    from experiments._lib.keras_models import recurrent_model, train  # selects Keras

    # isort: split
    import tensorflow as tf

    def frames(sounds):
        return sounds.reshape(len(sounds), -1, FRAMES[name]).astype(np.float32)

    n = len(data[0]) * 4 // 5
    x = frames(data[0])
    shape = FRAMES[name], len(CLASSES)
    model = recurrent_model("lstm", N_UNITS, *shape, last=True, seed=seed)
    model.compile(
        tf.keras.optimizers.Adam(RATE, clipnorm=CLIP),
        tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        ["accuracy"],
    )
    history = train(
        model,
        (x[:n], data[1][:n]),
        (x[n:], data[1][n:]),
        1000,
        BATCH,
        folder / f"{name}_{seed}.npz",
        seconds=seconds,
        monitor="val_loss",
        resume=resume,
        seed=seed,
        description=f"{name}, seed {seed}",
        clock=time.process_time,
    )
    answers = model.predict(frames(test[0]), batch_size=100, verbose=0).argmax(axis=1)
    return {
        "accuracy": 100 * float(np.mean(answers == test[1])),
        "epochs": len(history["seconds"]),
        "parameters": int(model.count_params()),
    }


def lmu_name(order):
    """Name of the figure of an order."""
    return f"lmu{order}" if order else "no_order"


@click.command(help=__doc__)
@minutes_option(0.5, "Processor time for each LSTM.")
@seeds_option()
@resume_option
@shared_options
def main(minutes, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    seeds = range(seed, seed + (1 if quick else n_seeds))
    n_train, n_test = (100, 60) if quick else (N_TRAIN, N_TEST)
    names = () if quick else tuple(FRAMES)
    if names:
        need_nengo_dl("Training an LSTM")
    folder = out / "vowel_order-networks"
    found = {}
    with plain_errors():
        for s in seeds:
            data, test = make_sounds(n_train, [s, 0]), make_sounds(n_test, [s, 1])
            started = time.process_time()
            held = zip(
                (0, *ORDERS),
                *(states(x, (0, *ORDERS), s) for x, _ in (data, test)),
                strict=True,
            )
            for order, x, x_test in held:
                accuracy = fitted(x, data[1], x_test, test[1])
                found.setdefault(lmu_name(order), []).append(accuracy)
            found.setdefault("seconds_lmu", []).append(time.process_time() - started)
            for name in names:
                asked, path = [name, 60 * minutes, s], folder / f"{name}_{s}.json"
                args = name, data, test, 60 * minutes, s, folder, resume
                result = part(path, asked, resume, partial(train_network, *args))
                found.setdefault(name, []).append(result["accuracy"])
                found.setdefault(f"epochs_{name}", []).append(result["epochs"])
                found.setdefault(f"parameters_{name}", []).append(result["parameters"])
            console.print(f"seed {s}:", {k: round(v[-1], 1) for k, v in found.items()})
    figures = {name: float(np.mean(values)) for name, values in found.items()}
    for name in (*map(lmu_name, (0, *ORDERS)), *names):
        figures[f"{name}_worst"] = float(np.min(found[name]))
    settings = {"minutes": minutes, "seeds": list(seeds)}
    settings |= {"n_train": n_train, "n_test": n_test, "found": found}
    path = report("vowel_order", seed, quick, figures, {}, out, settings)
    console.print(f"Wrote {path}.")
