"""Why an LMU remembers longer than an LSTM: gradients, gates, pulses and a recalled symbol.

The task: one of eight symbols in the first step, then distractors from another alphabet of
four in half of the steps, then the network names the symbol at the last step; delays of 10
to 10,000 steps. 500 trials for training, 100 for validation, 1,000 for testing, the same
for all networks.

LMU: a memory of order 16 for each of the 12 channels; its window is 1.25 delays, so each
delay has its own memory; the linear read-out is trained, with a windowed memory. LSTM, GRU,
simple RNN: 64 units, which are more parameters than the LMU has, Keras' defaults (forget
bias 1, orthogonal recurrence), Adam at 0.003, batches of 20, gradients clipped to a norm of
1, until all validation trials are right or --minutes of CPU time are over. HMM: a hidden
Markov model with two states for each symbol, fitted by Baum-Welch to 20 trials of that
symbol (hmmlearn); the answer is the model with the highest likelihood of the whole trial.

Before training, driven by such trials: "gradient_K" is the Frobenius norm of the gradient
of the last state with respect to the input K steps earlier; "left_K" is what remains of a
pulse in the first step, the distance between the states with and without it, relative to
that after the first step; "saturated" is the share of gates (simple RNN: of units) below
0.1 or above 0.9 in magnitude. "_trained" is after training for the longest delay that was
learned (99% of the trials); "recalled_..._trained" is the result of testing that network
with the longest delay of all. The LMU's memory is linear: its gradient is its impulse
response, whatever the input. In double precision a pulse vanishes at about 1e-16.

Figures are medians over the seeds (--seeds, from --seed on); of what is recalled they are
means, and each seed's. The picture shows the first seed.
"""

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
from experiments._lib.keras_models import LAYERS
from experiments._lib.results import part, report, save_figure
from experiments.recall._symbol import (
    BATCH,
    LEARNED,
    N_SYMBOLS,
    N_TRAIN,
    N_UNITS,
    ORDER,
    RATE,
    SIZE,
    WINDOW,
    hmm_accuracy,
    lmu_accuracy,
    make_sets,
    make_trials,
    memory_system,
    one_hot,
    train_network,
)

DELAYS, HORIZON = (10, 100, 1000, 10_000), 10_000
NAMES = {"lmu": "LMU", "lstm": "LSTM", "gru": "GRU", "rnn": "simple RNN", "hmm": "HMM"}
COLORS = dict(zip(NAMES, ("C0", "C1", "C2", "C3", "0.5"), strict=True))


def make_layer(kind, weights=None, units=N_UNITS, seed=0):
    """
    Build a recurrent layer in double precision.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of layer.
    weights : list of ndarray, optional
        Weights in Keras' format. Default: Keras' initial weights.
    units : int
        Number of units.
    seed : int
        Seed of the initial weights.

    Returns
    -------
    layer : tf.keras.layers.Layer
        Returns its state after every step.
    """
    from lmu_nengo.training import nengo_dl  # noqa: F401, I001  selects Keras; first
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    make = getattr(tf.keras.layers, LAYERS[kind])
    layer = make(units, return_sequences=True, dtype="float64")
    layer.build((None, None, SIZE))
    if weights is not None:
        layer.set_weights(weights)
    return layer


def gradient_sizes(layer, x, seed=0):
    """
    Norm of the gradient of the last state with respect to each earlier input.

    Parameters
    ----------
    layer : tf.keras.layers.Layer
        What `make_layer` returned.
    x : ndarray of shape (n_sequences, n_steps, size)
        Input.
    seed : int
        Seed of the directions in which the state is read, one for each sequence.

    Returns
    -------
    sizes : ndarray of shape (n_steps,)
        Frobenius norm of the Jacobian, estimated from these directions; entry ``k`` is
        for the input ``k`` steps before the last one.
    """
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    directions = tf.constant(rng.standard_normal((len(x), layer.units)))

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            read = tf.reduce_sum(directions * layer(x)[:, -1])
        return tape.gradient(read, x)

    gradient = run(tf.constant(x, tf.float64)).numpy()
    return np.sqrt(np.mean(np.sum(gradient**2, axis=2), axis=0))[::-1]


def run_layer(layer, x):
    """State after every step, (n_sequences, n_steps, units)."""
    import tensorflow as tf

    return tf.function(layer)(tf.constant(x, tf.float64)).numpy()


def pulse_left(layer, x):
    """Distance of the states with and without the first input, relative to the first."""
    without = x.copy()
    without[:, 0] = 0
    distance = np.linalg.norm(run_layer(layer, x) - run_layer(layer, without), axis=2)
    distance = np.sqrt(np.mean(distance**2, axis=0))
    return distance / distance[0]


def saturated(kind, layer, x):
    """
    Share of gates that are nearly closed or open; without gates, of saturated units.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of layer.
    layer : tf.keras.layers.Layer
        What `make_layer` returned.
    x : ndarray of shape (n_sequences, n_steps, size)
        Input.

    Returns
    -------
    share : ndarray of shape (n_steps,)
        Share over all units and sequences, from 0 to 1.
    """
    states = run_layer(layer, x)
    if kind == "rnn":
        return np.mean(np.abs(states) > 0.9, axis=(0, 2))
    before = np.concatenate([np.zeros_like(states[:, :1]), states[:, :-1]], axis=1)
    kernel, recurrent, bias = layer.get_weights()
    currents = x @ kernel + before @ recurrent + bias.reshape(-1, bias.shape[-1]).sum(0)
    n = layer.units
    # Keras' order: input, forget, candidate, output; update, reset, candidate
    places = (0, 1, 3) if kind == "lstm" else (0, 1)
    currents = np.concatenate([currents[..., i * n : (i + 1) * n] for i in places], axis=2)
    gates = 1 / (1 + np.exp(-currents))
    return np.mean((gates < 0.1) | (gates > 0.9), axis=(0, 2))


def log_steps(n_steps):
    """Ten steps per decade, starting from 1."""
    exponents = np.arange(0, np.log10(n_steps) + 1e-9, 0.1)
    return np.unique(np.round(10**exponents).astype(int))


def look(kind, weights, horizon, seed, gradient=False):
    """Measure the curves of one layer at `log_steps`; return lists by name."""
    rng = np.random.default_rng([seed, 1])
    x = one_hot(make_trials(4, horizon, rng).shown).astype(float)
    layer, steps = make_layer(kind, weights, seed=seed), log_steps(horizon)
    curves = {
        "left": pulse_left(layer, x)[steps].tolist(),
        "saturated": saturated(kind, layer, x)[steps].tolist(),
    }
    if gradient:
        curves["gradient"] = gradient_sizes(layer, x, seed)[steps].tolist()
    return curves


def look_at_lmu(horizon):
    """Measure the same curves of an LMU's memory whose window fits the horizon."""
    response = lmu_nengo.signal.impulse_response(*memory_system(horizon), horizon + 1)
    # each input channel has a memory of its own
    sizes = np.sqrt(SIZE) * np.linalg.norm(response, axis=1)
    steps = log_steps(horizon)
    return {
        "gradient": sizes[steps].tolist(),
        "left": (sizes / sizes[0])[steps].tolist(),
    }


def run(seed, delays, horizon, n_tests, kinds, seconds, out, resume):
    """
    Measure everything with one seed.

    Parameters
    ----------
    seed : int
        Seed of trials, weights and batches.
    delays : tuple of int
        Delays of the task, in steps.
    horizon : int
        Steps over which gradients, pulses and gates are measured.
    n_tests : int
        Number of test trials.
    kinds : tuple of str
        Recurrent networks.
    seconds : float
        Maximum CPU time for each trained network.
    out : pathlib.Path
        Folder for checkpoints and results of networks.
    resume : bool
        Whether to continue from there.

    Returns
    -------
    result : dict
        ``figures``; ``curves`` by network; ``accuracy`` by network, a value for each delay;
        ``networks``, the results of each; ``parameters`` of the LMU.
    """
    curves, figures, networks = {}, {}, {}
    with console.status(f"seed {seed}, before training"):
        curves["lmu"] = look_at_lmu(horizon)
        for kind in kinds:
            curves[kind] = look(kind, None, horizon, seed, gradient=True)
    accuracy = {kind: [] for kind in ("lmu", *kinds, "hmm")}
    for delay in delays:
        sets = make_sets(delay, n_tests, seed)
        with console.status(f"seed {seed}, LMU and HMM, {delay:,} steps"):
            found, parameters = lmu_accuracy(delay, sets, seed)
            accuracy["lmu"].append(found)
            accuracy["hmm"].append(hmm_accuracy(sets, seed)[0])
        for kind in kinds:
            folder = out / f"why-{kind}-{delay}-{seed}"
            args = n_tests, seconds, seed
            make = partial(
                train_network,
                *(kind, delay, delays[-1], *args, folder, resume),
                partial(look, horizon=horizon, seed=seed),
            )
            result = part(folder / "result.json", [kind, delay, *args], resume, make)
            networks[f"{kind}_{delay}"] = result
            accuracy[kind].append(result["accuracy"])
            looked = result.pop("looked")
            if result["accuracy"] >= LEARNED:
                curves[f"{kind}_trained"] = looked
                figures[f"learned_{kind}"] = delay
                figures[f"recalled_{kind}_trained"] = result.get(
                    "at_longest", result["accuracy"]
                )
    for kind, values in accuracy.items():
        for delay, value in zip(delays, values, strict=True):
            figures[f"recalled_{kind}_{delay}"] = value
    steps = log_steps(horizon).tolist()
    for kind, by_name in curves.items():
        for name, values in by_name.items():
            at = dict(zip(steps, values, strict=True))
            if name == "saturated":
                figures[f"saturated_{kind}"] = values[-1]
            else:
                chosen = [k for k in (1, 10, 100, 1000, 10_000) if k in at]
                figures |= {f"{name}_{kind}_{k}": at[k] for k in chosen}
    return {
        "figures": figures,
        "curves": curves,
        "accuracy": accuracy,
        "networks": networks,
        "parameters": parameters,
    }


def over_seeds(seeds, results):
    """Give the figures of all seeds: medians, but of what is recalled the mean and each."""
    by_name = {}
    for seed, result in zip(seeds, results, strict=True):
        for name, value in result["figures"].items():
            by_name.setdefault(name, {})[seed] = value
    figures = {}
    for name, by_seed in by_name.items():
        is_recall = name.startswith("recalled")
        middle = np.mean if is_recall else np.median
        figures[name] = float(middle(list(by_seed.values())))
        if is_recall or name.startswith("learned"):
            figures |= {f"{name}_seed{seed}": value for seed, value in by_seed.items()}
    return figures


@click.command(help=__doc__)
@seeds_option()
@resume_option
@minutes_option(1.0, "Maximum CPU time for each trained network.")
@shared_options
def main(minutes, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    need_nengo_dl()
    delays, horizon, n_tests, kinds = DELAYS, HORIZON, 1000, tuple(LAYERS)
    seconds = 60 * minutes
    if quick:
        delays, horizon, n_tests, kinds = (10, 100), 300, 100, ("lstm",)
        seconds, n_seeds = min(1.0, seconds), 1
    out.mkdir(parents=True, exist_ok=True)
    seeds = range(seed, seed + n_seeds)
    options = delays, horizon, n_tests, kinds, seconds, out, resume
    with plain_errors():
        results = [run(each, *options) for each in seeds]
    first = results[0]
    settings = {
        "seeds": list(seeds),
        "delays": list(delays),
        "chance": 100 / N_SYMBOLS,
        "trials": {"train": N_TRAIN, "test": n_tests},
        "lmu": {
            "order": ORDER,
            "window": WINDOW,
            "channels": SIZE,
            "parameters": first["parameters"],
        },
        "networks": {"units": N_UNITS, "rate": RATE, "batch": BATCH, "seconds": seconds},
        "clock": "processor time",
        "results": {
            key: [r["networks"][key] for r in results] for key in first["networks"]
        },
        "steps": log_steps(horizon).tolist(),
        "curves": first["curves"],
    }
    figures = over_seeds(seeds, results)
    path = report("why", seed, quick, figures, {}, out, settings)
    draw(settings, first["accuracy"], path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(settings, accuracy, path):
    """Draw gradients, pulses, gates and recall, of the first seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.4), layout="constrained")
    (gradients, pulses), (gates, last) = figure.subplots(2, 2)
    steps = settings["steps"]
    axes = {"gradient": gradients, "left": pulses, "saturated": gates}
    for key, by_name in settings["curves"].items():
        kind, _, trained = key.partition("_")
        style = dict(color=COLORS[kind], ls="--" if trained else "-")
        for name, values in by_name.items():
            axes[name].plot(steps, np.array(values), **style)
    for axis, lowest in ((gradients, 1e-30), (pulses, 1e-16)):
        axis.set(xscale="log", yscale="log", ylim=(lowest, 100))
    gradients.set(xlabel="k (steps)", ylabel="norm of the gradient")
    gradients.set_title("gradient of the last state w.r.t. the input k steps earlier")
    pulses.set(
        xlabel="time after the pulse (steps)", ylabel="relative distance of the states"
    )
    pulses.set_title("what remains of a pulse")
    gates.set(xscale="log", xlabel="time (steps)", ylabel="share", ylim=(-0.03, 1.03))
    gates.set_title("saturated gates (simple RNN: units)")
    delays = settings["delays"]
    for kind, values in accuracy.items():
        style = ":" if kind == "hmm" else "-"
        last.plot(delays, values, "o" + style, color=COLORS[kind], label=NAMES[kind], ms=5)
    for key, (result, *_) in settings["results"].items():
        kind, delay = key.split("_")
        if "at_longest" in result:
            ends = (int(delay), delays[-1]), (result["accuracy"], result["at_longest"])
            last.plot(*ends, "D--", color=COLORS[kind], ms=4, lw=1, mfc="none")
    last.axhline(settings["chance"], color="black", lw=1, ls="-.", label="chance")
    last.plot([], [], "k--", label="after training for a shorter delay")
    last.set(xscale="log", xlabel="delay (steps)", ylabel="symbols recalled (%)")
    last.set(ylim=(0, 105), title="recall of one of eight symbols")
    figure.legend(
        *last.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        frameon=False,
    )
    save_figure(figure, path, dpi=120)
