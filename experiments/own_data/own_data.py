"""Data sets nobody tuned for: classifiers and forecasts without an argument.

All classification sets inside the package aeon but its unit test (ACSF1, whose series have
1,460 values, only by --set, because its LSTM takes hours), in their own split into training
and test: accuracy in % of LMUClassifier() beside MiniRocket with ridge regression,
logistic regression of all values, and an LSTM with about as many parameters as the read-out
has weights; mean of --seeds seeds. JapaneseVowels also in spikes (memory and hidden layer,
each value for 20 steps). Forecasts of two series of statsmodels, their last fifth: CO2 8
weeks ahead and sunspots 3 years ahead, LMURegressor(horizon) beside ridge regression on the
last changes; root mean square error over that of "nothing changes", and over the standard
deviation of the values.

It needs a virtual environment of its own, because aeon wants an older NumPy:
pip install -e ".[jax,sklearn,norse]" aeon statsmodels click rich
"""

import time

import click
import numpy as np

from experiments._lib.command_line import console, shared_options
from experiments._lib.results import report
from experiments.own_data import _peers

SETS = (
    "JapaneseVowels",
    "ArrowHead",
    "BasicMotions",
    "GunPoint",
    "ItalyPowerDemand",
    "PickupGestureWiimoteZ",
    "OSULeaf",
)
METHODS = ("lmu", "minirocket", "logistic", "lstm")


@click.command(help=__doc__)
@click.option(
    "--set",
    "sets",
    multiple=True,
    type=click.Choice([*SETS, "ACSF1"]),
    help="Set to classify; may be repeated. Default: all but ACSF1.",
)
@click.option("--seeds", type=int, default=3, show_default=True, help="Number of seeds.")
@click.option(
    "--targets",
    default="",
    help="Run 50 test series of JapaneseVowels on these too: norse,loihi. Takes long.",
)
@shared_options
def main(sets, seeds, targets, quick, seed, out):
    """Run the experiment."""
    try:
        import aeon  # noqa: F401
        import statsmodels  # noqa: F401
    except ImportError as error:
        raise click.ClickException(
            f"{error}. aeon and statsmodels carry the data. aeon wants an older NumPy than "
            "the other extras: make a virtual environment and install "
            '-e ".[jax,sklearn,norse]" aeon statsmodels click rich in it.'
        ) from error
    out.mkdir(parents=True, exist_ok=True)
    names = sets or (SETS[:1] if quick else SETS)
    methods = METHODS[::2] if quick else METHODS
    n_seeds = 1 if quick else seeds
    figures, ranks = {}, []
    for name in names:
        accuracies = classify(name, methods, range(seed, seed + n_seeds))
        console.print(name, {m: np.round(a, 1).tolist() for m, a in accuracies.items()})
        figures |= {f"{name}_{m}": np.mean(a) for m, a in accuracies.items()}
        ranks.append(rank([np.mean(accuracies[m]) for m in methods]))
    figures |= {
        f"mean_rank_{m}": float(r)
        for m, r in zip(methods, np.mean(ranks, axis=0), strict=True)
    }
    for name in ("co2", "sunspots"):
        figures |= forecast(name)
    figures |= spikes(range(seed, seed + n_seeds), targets, 20 if quick else None)
    settings = {"seeds": n_seeds, "sets": list(names), "targets": targets}
    path = report("own_data", seed, quick, figures, {}, out, settings)
    console.print(f"Wrote {path}.")


def load(name):
    """Training and test series and labels of a set inside aeon."""
    from aeon.datasets import load_classification

    X, y = load_classification(name, split="train")
    X_test, y_test = load_classification(name, split="test")
    return list(X), y, list(X_test), y_test


def classify(name, methods, seeds):
    """Accuracies in % of each method for each seed."""
    from lmu_nengo.estimators import LMUClassifier

    X, y, X_test, y_test = load(name)
    found = {method: [] for method in methods}
    for seed in seeds:
        model = LMUClassifier(random_state=seed).fit(X, y)
        size = {"n_parameters": model.coef_.size + model.intercept_.size}
        for method in methods:
            if method == "lmu":
                answers = model.predict(X_test)
            elif method == "logistic" and found[method]:
                found[method].append(found[method][-1])  # nothing in it is random
                continue
            else:
                options = size if method == "lstm" else {}
                answers = getattr(_peers, method)(X, y, X_test, seed, **options)
            found[method].append(100 * float(np.mean(answers == y_test)))
    return found


def rank(accuracies):
    """Ranks, 1 for the best; equal ones share theirs."""
    accuracies = np.round(accuracies, 6)
    better = (accuracies > accuracies[:, None]).sum(axis=1)
    equal = (accuracies == accuracies[:, None]).sum(axis=1)
    return better + (equal + 1) / 2


def forecast(name):
    """Errors of forecasts of the last fifth of a series."""
    import statsmodels.api as sm

    from lmu_nengo.estimators import LMURegressor

    if name == "co2":
        x, horizon = sm.datasets.co2.load_pandas().data["co2"].interpolate(), 8
    else:
        x, horizon = sm.datasets.sunspots.load_pandas().data["SUNACTIVITY"], 3
    x = x.to_numpy()
    n = round(0.8 * len(x))
    model = LMURegressor(horizon=horizon).fit(x[None, None, :n])
    forecasts = {
        "lmu": model.predict(x[None, None])[0, 0],
        "ridge": _peers.ridge_on_lags(x, n, horizon),
    }
    wanted, present = x[n:], x[n - horizon : -horizon]
    figures = {}
    for method, values in forecasts.items():
        error = np.sqrt(np.mean((values[n - horizon : -horizon] - wanted) ** 2))
        change = np.sqrt(np.mean((wanted - present) ** 2))
        figures[f"{name}_{method}_over_change"] = float(error / change)
        figures[f"{name}_{method}_over_values"] = float(error / np.std(wanted))
    return figures


def spikes(seeds, targets, limit):
    """JapaneseVowels: time to fit, accuracy in spikes, decisions on other targets."""
    from lmu_nengo.estimators import LMUClassifier

    X, y, X_test, y_test = load("JapaneseVowels")
    X_test, y_test = X_test[:limit], y_test[:limit]
    seconds, accuracies, figures = [], [], {}
    for seed in seeds:
        started = time.perf_counter()
        model = LMUClassifier(random_state=seed).fit(X, y)
        seconds.append(time.perf_counter() - started)
        spiking = model.to_spiking(X)
        accuracies.append(100 * float(np.mean(spiking.predict(X_test) == y_test)))
        console.print(f"in spikes, seed {seed}: {accuracies[-1]:.2f} %")
    figures["JapaneseVowels_fit_seconds"] = float(np.mean(seconds))
    figures["JapaneseVowels_spikes"] = float(np.mean(accuracies))
    for target in filter(None, targets.split(",")):
        some = X_test[::7][:50]
        same = spiking.run_on(target, some) == spiking.run_on("core", some)
        figures[f"JapaneseVowels_same_on_{target}"] = 100 * float(np.mean(same))
    return figures
