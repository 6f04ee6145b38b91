"""Mackey-Glass: predict a chaotic series 15 steps ahead.

The task of the 2019 paper: tau 17, 128 series of 5,000 steps, 32 to train, 32 to validate,
64 to test, four layers, about 18,000 parameters, Adam, batches of 32; the normalized root
mean square error (NRMSE) over whole series that start from a state of zero. LMU layers
without feedback, trained with all steps at once; a hybrid of LMU and LSTM layers; Keras'
LSTM and simple RNN, which need NengoDL's Keras; and a copy of the input. "late" excludes
the first 100 steps of each series. `--engine` says what trains the LMU and the hybrid: JAX
alone, or NengoDL.

All networks get the same CPU time (--minutes), which is less than the 500 epochs of one
batch each in the paper. To fit more batches into that time, all are trained on pieces of
500 steps; in a piece that is not the beginning of a series, the first 100 steps do not
count.

The code that was published first had two errors: with input and target swapped it
predicted 15 steps back; and without a bias the hidden state started as tanh(0), where no
gradient passes. The published figures are from the authors' correction.
"""

from functools import partial

import click
import numpy as np

import lmu_nengo
from experiments._lib.command_line import (
    NEEDED,
    console,
    engine_option,
    minutes_option,
    need_nengo_dl,
    plain_errors,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.results import part, report, save_figure
from experiments.mackey_glass._networks import BATCH
from lmu_nengo import targets
from lmu_nengo.datasets import mackey_glass

AHEAD = 15
MODELS = ("lmu", "hybrid", "lstm", "rnn")
WITH_KERAS = ("lstm", "rnn")
# NRMSE in % (Voelker, Kajic and Eliasmith 2019, corrected code)
REFERENCE = {"copy": 162.4, "lstm": 5.872, "lmu": 4.873, "hybrid": 4.473}
TRAIN, HELD_OUT = 32, 64  # series up to here
PIECE, WARM = 500, 100


def make_data(n_steps, seed, piece=PIECE, warm=WARM):
    """
    Make the data sets.

    Parameters
    ----------
    n_steps : int
        Length of the series.
    seed : int
        Seed of the series.
    piece, warm : int
        Steps of a piece, and steps at its beginning that do not count.

    Returns
    -------
    data, validation : tuple of (ndarray, ndarray)
        Pieces (n, piece, 1) with a standard deviation of 1; the value ``AHEAD`` steps
        later and its weight (n, piece, 2).
    test : tuple of (ndarray, ndarray)
        Whole series, and the values ``AHEAD`` steps later (64, n_steps - AHEAD, 1).
    """
    series = mackey_glass(128, n_steps, seed)[..., None]
    series /= series[:TRAIN].std()
    x, y = series[:, :-AHEAD], series[:, AHEAD:]
    starts = range(0, x.shape[1] - piece + 1, piece)

    def pieces(part):
        inputs = np.concatenate([x[part, k : k + piece] for k in starts])
        targets = np.concatenate([y[part, k : k + piece] for k in starts])
        weights = np.ones_like(targets)
        weights[len(x[part]) :, :warm] = 0  # the first ones begin a series
        return inputs, np.concatenate([targets, weights], axis=-1)

    test = x[HELD_OUT:], y[HELD_OUT:]
    return pieces(slice(TRAIN)), pieces(slice(TRAIN, HELD_OUT)), test


def run(kind, seed, n_steps, seconds, engine, resume, folder):
    """
    Train and test one network.

    Parameters
    ----------
    kind : str
        One of `MODELS`.
    seed : int
        Seed of data, weights and shuffling.
    n_steps : int
        Length of the series.
    seconds : float
        CPU time of training.
    engine : {"jax", "dl"}
        What trains networks with LMU layers.
    resume : bool
        Whether to continue from the folder.
    folder : pathlib.Path
        For checkpoint and result.

    Returns
    -------
    result : dict
        ``nrmse``, ``late`` (without the first 100 steps) and ``validation`` in %,
        ``parameters``, ``epochs``, ``batches`` and the
        ``curve``: seconds, and the NRMSE of the validation pieces. Also ``shown``, the
        last 300 predicted values of the first test series.
    """
    if kind in WITH_KERAS:
        from experiments.mackey_glass._nengo_dl import train_keras as train
    elif engine == "jax":
        from experiments.mackey_glass._trainer import train_lmu as train
    else:
        from experiments.mackey_glass._nengo_dl import train_lmu as train

    folder.mkdir(parents=True, exist_ok=True)
    data, validation, (x, y) = make_data(n_steps, seed)
    prediction, parameters, history = train(
        kind, data, validation, x, seconds, seed, folder, resume
    )
    scale = np.mean(validation[1][validation[1][..., 1] > 0][:, 0] ** 2)
    curve = 100 * np.sqrt(np.array(history["val_loss"]) / scale)
    return {
        "nrmse": 100 * lmu_nengo.signal.nrmse(prediction, y),
        "late": 100 * lmu_nengo.signal.nrmse(prediction[:, WARM:], y[:, WARM:]),
        "validation": float(curve.min()),
        "parameters": int(parameters),
        "epochs": len(curve),
        "batches": len(curve) * (len(data[0]) // BATCH),
        "curve": [history["seconds"], curve.tolist()],
        "shown": prediction[0, -300:, 0].tolist(),
    }


@click.command(help=__doc__)
@minutes_option(3.0, "CPU time for each network.")
@seeds_option()
@click.option(
    "--model",
    "models",
    type=click.Choice(MODELS),
    multiple=True,
    help="Network; may be repeated. Default: all that what is installed can train.",
)
@engine_option("dl", "NengoDL (dl)")
@resume_option
@shared_options
def main(minutes, n_seeds, models, engine, resume, quick, seed, out):
    """Run the experiment."""
    if not models:
        models = MODELS
        if not targets.installed("dl"):
            models = [kind for kind in MODELS if kind not in WITH_KERAS]
            left_out = " and ".join(WITH_KERAS)
            console.print(f"Leaving out {left_out}, which need NengoDL: {NEEDED}.")
    if engine == "dl" or set(WITH_KERAS) & set(models):
        need_nengo_dl()
    n_steps = 1015 if quick else 5000
    minutes, n_seeds = (min(minutes, 0.05), 1) if quick else (minutes, n_seeds)
    out.mkdir(parents=True, exist_ok=True)
    results = {kind: [] for kind in models}
    copies = []
    with plain_errors():
        for s in range(seed, seed + n_seeds):
            x, y = make_data(n_steps, s)[2]
            copies.append(100 * lmu_nengo.signal.nrmse(x, y))
            for kind in models:
                folder = out / "mackey_glass-checkpoints" / f"{kind}_{s}"
                args = kind, s, n_steps, 60 * minutes
                asked = dict(zip(("kind", "seed", "n_steps", "seconds"), args, strict=True))
                asked["engine"] = "dl" if kind in WITH_KERAS else engine
                make = partial(run, *args, asked["engine"], resume, folder)
                result = part(folder / "result.json", asked, resume, make)
                console.print(f"{kind}, seed {s}: {result['nrmse']:.2f} %")
                results[kind].append(result)
    figures = {"copy": float(np.mean(copies))}
    for kind, values in results.items():
        figures[kind] = float(np.mean([r["nrmse"] for r in values]))
    for kind, values in results.items():
        figures[f"{kind}_late"] = float(np.mean([r["late"] for r in values]))
    for kind, values in results.items():
        for s, result in enumerate(values, seed):
            figures[f"{kind}_seed{s}"] = result["nrmse"]
        figures[f"{kind}_parameters"] = values[0]["parameters"]
        figures[f"{kind}_batches"] = float(np.mean([r["batches"] for r in values]))
    settings = {"minutes": minutes, "seeds": n_seeds, "n_steps": n_steps, "piece": PIECE}
    settings["engine"] = engine
    path = report("mackey_glass", seed, quick, figures, REFERENCE, out, settings)
    draw(results, figures, make_data(n_steps, seed)[2][1], path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(results, figures, target, path):
    """Draw errors beside the published ones, the course of training, and predictions."""
    from matplotlib.figure import Figure

    names = {"lmu": "LMU", "hybrid": "hybrid", "lstm": "LSTM", "rnn": "simple RNN"}
    models = list(results)
    colors = {kind: f"C{i}" for i, kind in enumerate(models)}
    figure = Figure(figsize=(10, 6), layout="constrained")
    drawn = figure.subplot_mosaic("ab;cc", height_ratios=(1.4, 1))
    errors, curves, series = (drawn[name] for name in "abc")
    for i, kind in enumerate(models):
        each = [r["nrmse"] for r in results[kind]]
        errors.plot([i] * len(each), each, "o", color=colors[kind], ms=5)
        errors.hlines(figures[kind], i - 0.25, i + 0.25, color=colors[kind], lw=2)
        if kind in REFERENCE:
            label = "published, 500 epochs" if i == 0 else None
            shown = REFERENCE[kind]
            errors.hlines(shown, i - 0.4, i + 0.4, "black", "dashed", lw=1, label=label)
    errors.axhline(figures["copy"], color="0.6", lw=1, label="copy of the input")
    errors.set(yscale="log", ylabel="NRMSE of the test series (%)", ylim=(0.5, 250))
    errors.set_xticks(range(len(models)), [names[kind] for kind in models])
    errors.set_title("15 steps ahead, about 18,000 parameters")
    errors.legend(frameon=False, fontsize="small")
    for kind in models:
        for i, result in enumerate(results[kind]):
            label = names[kind] if i == 0 else None
            curves.plot(*result["curve"], ".-", color=colors[kind], ms=3, lw=1, label=label)
    curves.set(yscale="log", xlabel="CPU time of training (s)")
    curves.set(ylabel="NRMSE of the validation pieces (%)", title="training, all seeds")
    curves.legend(frameon=False, fontsize="small")
    t = np.arange(len(target[0]))[-300:]
    for kind in [kind for kind in ("lstm", "lmu") if kind in models]:
        error = 100 * (np.array(results[kind][0]["shown"]) - target[0, -300:, 0])
        series.plot(t, error, color=colors[kind], lw=1.2, label=names[kind])
    series.set(xlabel="step", ylabel="error (% of the rms)", xlim=(t[0], t[-1]))
    series.set_title("prediction errors at the end of a test series")
    series.legend(frameon=False, fontsize="small", ncols=2, loc="upper right")
    save_figure(figure, path)
