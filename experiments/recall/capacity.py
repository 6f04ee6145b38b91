"""How long a history a network holds: the paper's figure 2, from 25 to 100,000 steps.

White noise up to 10 Hz (theta = 1 s, first value 0, maximum magnitude 1), steps of 1/T s,
2.5 T of them, 100 sequences for training and 100 for testing. The targets are the input
0, T/4, T/2, 3T/4 and T steps ago; the figure is the mean square error (MSE) of each delay
from step T on. The frequency of the noise is fixed relative to the window: a larger T is
also a smoother signal per step, which is why the errors fall.

The LMU has order 100 and is not trained: theta is T - 0.5 steps, and the Legendre
polynomials at delay / T read it out, as published; T = 100,000 also with the four seeds
after --seed. Most of the error is a shift of half a step to one step, because each input is
held for a step. "lmu_centred" reads at (delay + 0.5) / theta with a theta of T + 0.5 steps,
which removes the shift.

LSTM, GRU and simple RNN have at most the 41,305 parameters of the published LSTM: Keras'
layers, Adam at 0.001, batches of 50, a fifth of the training sequences for validation, at
most 500 epochs as published, and at most --minutes of CPU time each. The epoch with the
lowest validation loss is tested. "validation" is that loss, over all steps, which is what
was published for the LSTM. "zero" is the error of an output of zero.
"""

import time
from functools import partial

import click
import numpy as np
from nengo.processes import WhiteSignal
from nengo.utils.numpy import maxint
from scipy import fft

import lmu_nengo
from experiments._lib.command_line import (
    console,
    minutes_option,
    need_nengo_dl,
    plain_errors,
    resume_option,
    shared_options,
)
from experiments._lib.keras_models import LAYERS, recurrent_model, train, units_for
from experiments._lib.results import part, report, save_figure

ORDER, HIGH, LENGTH, N_DELAYS = 100, 10.0, 2.5, 5
N_SEQUENCES, N_VALIDATION = 100, 20  # for testing, and as many for training
N_PARAMETERS, BATCH, EPOCHS = 41_305, 50, 500
LMU_STEPS, N_SEEDS = (25, 100, 400, 1000, 1600, 10_000, 100_000), 5
NETWORK_STEPS = (25, 100, 400, 1600)
# Voelker, Kajic and Eliasmith 2019: the LMU's worst delay, read off figure 2; the LSTM's
# lowest validation loss, from the published notebook
WORST = {100: 2e-2, 1000: 2e-4, 10_000: 3e-6, 100_000: 1e-6}
LSTM = {25: 0.0187, 100: 0.0173, 400: 0.0626, 1600: 0.0841}
NAMES = {
    "lmu": "LMU, untrained",
    "lmu_centred": "LMU, read half a step later",
    "lstm": "LSTM",
    "gru": "GRU",
    "rnn": "simple RNN",
    "zero": "output of zero",
}


def delays_of(n_steps):
    """The five delays in a window of ``n_steps``, in whole steps."""
    return np.linspace(0, n_steps, N_DELAYS, dtype=int)


def stimuli(n_steps, seed, which):
    """
    Yield white noise with a maximum magnitude of 1.

    Parameters
    ----------
    n_steps : int
        Steps in one second, which is the window.
    seed : int
        Seed of all sequences; 0 gives the sequences of the published code.
    which : slice
        Which of the 200 sequences; the last 100 are for testing.

    Yields
    ------
    x : ndarray of shape (2.5 n_steps,)
        A signal.
    """
    n = int(LENGTH * n_steps)
    seeds = np.random.RandomState(seed).randint(maxint, size=2 * N_SEQUENCES)
    for each in seeds[which]:
        process = WhiteSignal(n / n_steps, high=HIGH, y0=0, seed=int(each))
        x = process.run_steps(n, dt=1 / n_steps)[:, 0]
        yield x / np.abs(x).max()


def delayed(x, delays):
    """
    Delay a signal: the targets, which are zero before the signal starts.

    Parameters
    ----------
    x : ndarray of shape (n_steps,)
        Input.
    delays : sequence of int
        Delays in steps.

    Returns
    -------
    y : ndarray of shape (n_steps, n_delays)
        One column for each delay.
    """
    return np.stack(
        [np.concatenate([np.zeros(d), x[: len(x) - d]]) for d in delays], axis=1
    )


def lmu_errors(n_steps, n_sequences, seed, centered=False):
    """
    Mean square errors of an untrained memory.

    Parameters
    ----------
    n_steps : int
        The longest delay.
    n_sequences : int
        Number of test sequences.
    seed : int
        Seed of the signals.
    centered : bool
        Whether the read-out takes into account that an input is held for one step.

    Returns
    -------
    errors : ndarray of shape (n_delays,)
        Error of each delay.
    """
    delays = delays_of(n_steps)
    half = 0.5 if centered else -0.5
    theta = n_steps + half
    points = (delays + half) / theta if centered else delays / n_steps
    system = lmu_nengo.signal.discretize(
        *lmu_nengo.signal.state_space(theta, ORDER), dt=1.0
    )
    n = int(LENGTH * n_steps)
    response = lmu_nengo.signal.impulse_response(*system, n)
    response = response @ lmu_nengo.delay_decoders(ORDER, points).T
    padded = fft.next_fast_len(2 * n - 1, real=True)
    spectrum = fft.rfft(response, padded, axis=0)
    errors = np.zeros(len(delays))
    for x in stimuli(n_steps, seed, slice(N_SEQUENCES, N_SEQUENCES + n_sequences)):
        output = fft.irfft(fft.rfft(x, padded)[:, None] * spectrum, padded, axis=0)[:n]
        wrong = (output - delayed(x, delays))[n_steps:]
        errors += np.mean(wrong**2, axis=0)
    return errors / n_sequences


def make_data(n_steps, seed):
    """Inputs and targets, of shape (2 * N_SEQUENCES, steps, size)."""
    x = list(stimuli(n_steps, seed, slice(None)))
    y = [delayed(each, delays_of(n_steps)) for each in x]
    return np.float32(x)[:, :, None], np.float32(y)


def network_errors(kind, n_steps, seconds, seed, folder, resume):
    """
    Train and test a recurrent network.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of its layer.
    n_steps : int
        The longest delay.
    seconds : float
        Maximum CPU time.
    seed : int
        Seed of signals, weights and batches.
    folder : pathlib.Path
        For the checkpoint.
    resume : bool
        Whether to continue from there.

    Returns
    -------
    result : dict
        ``errors`` and ``zero`` by delay, ``validation`` loss, ``epochs``, ``seconds`` and
        ``parameters``.
    """
    x, y = make_data(n_steps, seed)
    n_used = N_SEQUENCES - N_VALIDATION
    used, held_out = slice(n_used), slice(n_used, N_SEQUENCES)
    units = units_for(kind, N_PARAMETERS, 1, N_DELAYS)
    model = recurrent_model(kind, units, 1, N_DELAYS, seed=seed)
    model.compile("adam", "mse")
    history = train(
        model,
        (x[used], y[used]),
        (x[held_out], y[held_out]),
        EPOCHS,
        BATCH,
        folder / "checkpoint.npz",
        seconds=seconds,
        clock=time.process_time,
        resume=resume,
        seed=seed,
        description=f"{NAMES[kind]}, {n_steps} steps",
    )
    output = model.predict(x[N_SEQUENCES:], batch_size=N_SEQUENCES, verbose=0)
    target = y[N_SEQUENCES:, n_steps:]
    wrong = output[:, n_steps:] - target
    return {
        "errors": np.mean(wrong**2, axis=(0, 1), dtype=float).tolist(),
        "zero": np.mean(target**2, axis=(0, 1), dtype=float).tolist(),
        "validation": min(history["val_loss"]),
        "epochs": len(history["seconds"]),
        "seconds": round(history["seconds"][-1]),
        "parameters": model.count_params(),
    }


@click.command(help=__doc__)
@resume_option
@minutes_option(2.0, "Maximum CPU time for each trained network.")
@shared_options
def main(minutes, resume, quick, seed, out):
    """Run the experiment."""
    need_nengo_dl()
    lmu_steps, network_steps = LMU_STEPS, NETWORK_STEPS
    n_tests, n_seeds, seconds = N_SEQUENCES, N_SEEDS, 60 * minutes
    if quick:
        lmu_steps, network_steps = (25, 100, 1000), (25,)
        n_tests, n_seeds, seconds = 10, 1, min(2.0, seconds)
    out.mkdir(parents=True, exist_ok=True)
    errors, figures, networks = {}, {}, {}
    for kind in ("lmu", "lmu_centred"):
        for n in lmu_steps:
            started = time.perf_counter()
            errors[kind, n] = lmu_errors(n, n_tests, seed, centered=kind != "lmu")
            took = time.perf_counter() - started
            console.print(
                f"{NAMES[kind]}, {n:,} steps: {errors[kind, n].max():.2g}, {took:.1f} s"
            )
            if kind == "lmu":
                figures[f"seconds_lmu_T{n}"] = took
    longest = lmu_steps[-1]
    by_seed = {seed: errors["lmu", longest].max()}
    for other in range(seed + 1, seed + n_seeds):
        by_seed[other] = lmu_errors(longest, n_tests, other).max()
        console.print(
            f"{NAMES['lmu']}, {longest:,} steps, seed {other}: {by_seed[other]:.2g}"
        )
    with plain_errors():
        for n in network_steps:
            for kind in LAYERS:
                folder = out / f"capacity-{kind}-{n}"
                asked = {"kind": kind, "steps": n, "limit": seconds, "seed": seed}
                make = partial(network_errors, kind, n, seconds, seed, folder, resume)
                result = part(folder / "result.json", asked, resume, make)
                errors[kind, n] = np.array(result["errors"])
                errors["zero", n] = np.array(result["zero"])
                networks[f"{kind}_T{n}"] = result
    for (kind, n), values in errors.items():
        figures[f"mse_{kind}_T{n}"] = float(values.mean())
        figures[f"worst_{kind}_T{n}"] = float(values.max())
    figures[f"worst_lmu_T{longest}_mean"] = float(np.mean(list(by_seed.values())))
    figures |= {f"worst_lmu_T{longest}_seed{s}": float(v) for s, v in by_seed.items()}
    for name in ("validation", "epochs"):
        figures |= {f"{name}_{key}": result[name] for key, result in networks.items()}
    reference = {f"worst_lmu_T{n}": value for n, value in WORST.items()}
    reference |= {f"validation_lstm_T{n}": value for n, value in LSTM.items()}
    settings = {
        "order": ORDER,
        "seeds": list(by_seed),
        "test_sequences": {"lmu": n_tests, "networks": N_SEQUENCES},
        "epochs": EPOCHS,
        "seconds": seconds,
        "clock": "processor time",
        "batch": BATCH,
        "delays": {str(n): delays_of(n).tolist() for n in sorted({n for _, n in errors})},
        "mse_by_delay": {f"{kind}_T{n}": v.tolist() for (kind, n), v in errors.items()},
        "networks": networks,
    }
    shown = ("worst_lmu_T", "mse_", "validation_", "epochs_")
    shown = [name for name in figures if name.startswith(shown)]
    path = report("capacity", seed, quick, figures, reference, out, settings, shown)
    draw(errors, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(errors, path):
    """Draw the error of every network by window, and that of the LMU by delay."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    kinds = dict.fromkeys(kind for kind, _ in errors)
    colors = dict(zip(NAMES, ("C0", "C9", "C1", "C2", "C3", "0.6"), strict=True))
    for kind in kinds:
        steps = sorted(n for other, n in errors if other == kind)
        worst = [errors[kind, n].max() for n in steps]
        mean = [errors[kind, n].mean() for n in steps]
        style = ":" if kind == "zero" else "o-"
        left.plot(steps, mean, style, ms=4, color=colors[kind], label=NAMES[kind])
        if kind != "zero":
            left.fill_between(steps, mean, worst, color=colors[kind], alpha=0.2, lw=0)
    left.plot(
        WORST.keys(), WORST.values(), "kv", mfc="none", label="LMU, worst delay, published"
    )
    left.plot(LSTM.keys(), LSTM.values(), "kx", label="LSTM, validation, published")
    left.set(xscale="log", yscale="log", xlabel="longest delay T (steps)")
    left.set(ylabel="MSE (bands: up to the worst delay)")
    left.set_title("mean over the delays")
    shown = [n for n in (100, 1000, 10_000, 100_000) if ("lmu", n) in errors]
    for i, n in enumerate(shown):
        delays = delays_of(n) / n
        for kind, style in (("lmu", "o-"), ("lmu_centred", "s--")):
            right.plot(delays, errors[kind, n], style, ms=4, color=f"C{i}")
        right.annotate(
            f"T = {n:,}",
            (0.5, errors["lmu", n][2]),
            (0, 6),
            textcoords="offset points",
            ha="center",
            color=f"C{i}",
        )
    right.set(yscale="log", xlabel="delay / T", ylabel="MSE", xticks=np.linspace(0, 1, 5))
    right.set_title("LMU by delay (dashed: read half a step later)")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    save_figure(figure, path)
