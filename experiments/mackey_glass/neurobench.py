"""NeuroBench's Mackey-Glass benchmark: continue a chaotic series from its own forecasts.

14 series, tau = 17 to 30, of 75 points for each Lyapunov time. Ten Lyapunov times to train,
then a forecast of ten more, in which each input is the forecast before; 30 repetitions,
each half a Lyapunov time later. The error is the symmetric mean absolute percentage error
(sMAPE, between 0 and 200). NeuroBench's own classes load the data, run the networks and
measure error, footprint, sparsity and synaptic operations for each forecast.

lmu: a Legendre memory; neurons (tanh) that each see one point of its window; a read-out by
ridge regression. The window's length is chosen for each series by forecasts within the
first training half, of which no repetition tests a point; all else is the same for all
series. spikes: the same with a smaller memory in pairs of integrate-and-fire neurons, which
fire for its changes, in 1,024 steps for each forecast. delay_line: the same with the
window's values in place of the memory. esn, lstm (tau = 17): NeuroBench's echo state
network, with the hyperparameters that it publishes for each series, and its LSTM, whose
hyperparameters it publishes for tau = 17; both written anew.

NeuroBench's files cannot be downloaded here; the series are integrated by its recipe. They
are chaotic: no two machines make the same.

It needs a virtual environment of its own:
pip install -e ".[jax]" "neurobench[mackey-glass]" click rich filelock
"""

import time

import click
import numpy as np

from experiments._lib.command_line import (
    console,
    plain_errors,
    resume_option,
    shared_options,
)
from experiments._lib.results import checksum, load_part, report, save_part
from experiments.mackey_glass import _chaos, _window_forecaster

MODELS = ("lmu", "spikes", "delay_line", "esn", "lstm")
OURS = MODELS[:3]
FIRST_ONLY = ("lstm",)  # on the series that the leaderboard shows
# sMAPE of the leaderboard, January 2024
REFERENCE = {"esn_tau17": 14.79, "lstm_tau17": 13.37}
COUNTED = {"esn": 50, "spikes": 10}  # forecasts whose operations are counted, if not all
COUNTS = ("Dense", "Effective_MACs", "Effective_ACs")


def load(folder, tau, repetition):
    """One repetition as NeuroBench's data set, from the file that `make_series` wrote."""
    from neurobench.datasets import MackeyGlass

    return MackeyGlass(
        str(folder / f"mg_{tau}.npy"),
        start_offset=_chaos.offset(repetition),
        download=False,
    )


def make_series(folder, taus):
    """Integrate the series that are not in the folder, and return all of them by tau."""
    folder.mkdir(parents=True, exist_ok=True)
    for tau in taus:
        path = folder / f"mg_{tau}.npy"
        if not path.is_file():
            np.save(path, _chaos.generate(tau))
    return {tau: np.load(folder / f"mg_{tau}.npy") for tau in taus}


def measure(module, data, n_counted=None):
    """
    Measure a fitted network with NeuroBench.

    Parameters
    ----------
    module : torch.nn.Module
        The network.
    data : neurobench.datasets.MackeyGlass
        Its repetition.
    n_counted : int, optional
        Steps in which operations are counted. Default: all.

    Returns
    -------
    measures : dict of {str: float}
        ``smape``, ``footprint`` in bytes, ``connection_sparsity``,
        ``activation_sparsity``, and ``Dense``, ``Effective_MACs`` and ``Effective_ACs``,
        operations for each forecast.
    """
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity, Footprint
    from neurobench.metrics.workload import SMAPE, ActivationSparsity, SynapticOperations
    from neurobench.models import TorchModel
    from torch.utils.data import DataLoader, Subset

    def run(indices, workload):
        # the loader's one batch is the whole forecast
        loader = DataLoader(Subset(data, indices), batch_size=len(indices))
        static = [Footprint, ConnectionSparsity]
        return Benchmark(TorchModel(module), loader, [], [], [static, workload]).run(
            quiet=True
        )

    counts = [ActivationSparsity, SynapticOperations]
    module.by_step = True  # for the spiking memory
    found = run(data.ind_test[:n_counted], counts)
    module.by_step = False
    found |= run(data.ind_test, [SMAPE])
    return {
        "smape": found["SMAPE"],
        "footprint": found["Footprint"],
        "connection_sparsity": found["ConnectionSparsity"],
        "activation_sparsity": found["ActivationSparsity"],
        **{name: found["SynapticOperations"][name] for name in COUNTS},
    }


def networks(kind, tau, series, repetitions, window):
    """Yield the network of each repetition, fitted to its training half."""
    import torch

    from experiments.mackey_glass import _closed_loop as closed

    def training(repetition, n_points=_chaos.N_TRAIN):
        first = _chaos.offset(repetition)
        return series[first : first + n_points]

    if kind == "spikes":
        for k in repetitions:
            yield closed.fit_in_spikes(training(k), window, k)
        return
    if kind in OURS:
        for k in repetitions:
            line = kind == "delay_line"
            yield closed.WindowMemory(
                _window_forecaster.fit(training(k), window, k, line=line)
            )
        return
    whole = [training(k, _chaos.N_TRAIN + 1) for k in repetitions]
    whole = torch.tensor(np.array(whole))[..., None]
    if kind == "esn":
        for k, x in zip(repetitions, whole, strict=True):
            settings = closed.ECHO_STATE[tau]
            yield closed.EchoState(x[:-1], x[1:], settings, seed=k)
        return
    weights, _ = closed.train_lstms(whole[..., 0], list(repetitions))
    for each, x in zip(weights, whole, strict=True):
        yield closed.LongShortTerm(each, x[:-1])


def choose_window(kind, series):
    """Length of the window of one of `OURS`."""
    from experiments.mackey_glass._closed_loop import fit_in_spikes

    options = {"fit": fit_in_spikes} if kind == "spikes" else {"line": kind == "delay_line"}
    return _window_forecaster.choose_window(series, **options)


def run(kind, tau, folder, n_repetitions, resume):
    """
    Fit and measure the repetitions of one series.

    Parameters
    ----------
    kind : str
        One of `MODELS`.
    tau : int
        The series.
    folder : pathlib.Path
        Folder of the series, and for the result.
    n_repetitions : int
        Number of repetitions, from the first one on, or more if they are there.
    resume : bool
        Whether repetitions that are there count.

    Returns
    -------
    result : dict
        ``measures`` of each repetition (after the first one only ``smape`` is of use:
        their operations are counted in one step); ``window`` in points; ``seconds`` of
        processor time.
    """
    series = np.load(folder / f"mg_{tau}.npy")
    asked = [kind, tau, checksum(series)]
    if kind in OURS:
        name = "IN_SPIKES" if kind == "spikes" else "SETTINGS"
        settings = getattr(_window_forecaster, name)
        asked.append([str(v) for v in settings.items()])
    written = folder / f"{kind}_{tau}.json"
    result = load_part(written, asked, resume)
    if result is None:
        result = {"asked": asked, "measures": [], "window": None, "seconds": 0}
    started = time.process_time() - result["seconds"]
    if kind in OURS and result["window"] is None:
        result["window"] = choose_window(kind, series[: _chaos.N_TRAIN])
    waiting = range(len(result["measures"]), n_repetitions)
    made = networks(kind, tau, series, waiting, result["window"]) if waiting else ()
    for k, network in zip(waiting, made, strict=True):
        counted = COUNTED.get(kind) if k == 0 else 1
        result["measures"].append(measure(network, load(folder, tau, k), counted))
        result["seconds"] = round(time.process_time() - started, 1)
        save_part(written, result)
    return result


@click.command(help=__doc__)
@click.option(
    "--model",
    "models",
    multiple=True,
    type=click.Choice(MODELS),
    help="Network; may be repeated. Default: all.",
)
@click.option(
    "--repetitions",
    type=click.IntRange(1, _chaos.N_REPETITIONS),
    default=_chaos.N_REPETITIONS,
    show_default=True,
    help="Repetitions of each series.",
)
@resume_option
@shared_options
def main(models, repetitions, resume, quick, seed, out):
    """Run the experiment."""
    try:
        import jitcdde  # noqa: F401
        import neurobench  # noqa: F401
    except ImportError as error:
        raise click.ClickException(
            f"{error}. NeuroBench measures the networks. Make a virtual environment and "
            'install -e ".[jax]" "neurobench[mackey-glass]" click rich filelock in it.'
        ) from error
    taus = (17,) if quick else tuple(_chaos.SERIES)
    models = models or (OURS if quick else MODELS)
    repetitions = min(repetitions, 2) if quick else repetitions
    folder = out / "neurobench-series"
    with plain_errors():
        series = make_series(folder, taus)
        results = {kind: {} for kind in models}
        for kind in models:
            for tau in taus[:1] if kind in FIRST_ONLY else taus:
                result = results[kind][tau] = run(kind, tau, folder, repetitions, resume)
                errors = [each["smape"] for each in result["measures"]]
                console.print(f"{kind}, tau {tau}: sMAPE {np.mean(errors):.2f}")
    common = min(len(r["measures"]) for v in results.values() for r in v.values())
    figures = {}
    for kind, by_tau in results.items():
        figures |= summarize(kind, by_tau, common)
    settings = {
        "common": common,
        "repetitions": {
            kind: {tau: len(r["measures"]) for tau, r in by_tau.items()}
            for kind, by_tau in results.items()
        },
        "taus": list(taus),
        "series": {tau: checksum(x) for tau, x in series.items()},
        "lmu": _window_forecaster.SETTINGS,
        "spikes": _window_forecaster.IN_SPIKES,
        "windows": {k: {t: r["window"] for t, r in v.items()} for k, v in results.items()},
        "seconds": {k: {t: r["seconds"] for t, r in v.items()} for k, v in results.items()},
        "smape": {
            kind: {tau: [m["smape"] for m in r["measures"]] for tau, r in by_tau.items()}
            for kind, by_tau in results.items()
        },
    }
    path = report("neurobench", seed, quick, figures, REFERENCE, out, settings)
    console.print(f"Wrote {path}.")


def summarize(kind, by_tau, n):
    """
    Figures of a network.

    Parameters
    ----------
    kind : str
        One of `MODELS`.
    by_tau : dict of {int: dict}
        What `run` returned.
    n : int
        Repetitions that all networks have of all series.

    Returns
    -------
    figures : dict of {str: float}
        Mean of these repetitions and of the worst series; mean and standard deviation of
        all repetitions of each series; NeuroBench's other measures.
    """
    errors = {tau: [m["smape"] for m in r["measures"]] for tau, r in by_tau.items()}
    means = [float(np.mean(values[:n])) for values in errors.values()]
    figures = {kind: float(np.mean(means)), f"{kind}_worst": max(means)}
    for tau, values in errors.items():
        figures[f"{kind}_tau{tau}"] = float(np.mean(values))
        figures[f"{kind}_tau{tau}_deviation"] = float(np.std(values))
    first = {tau: result["measures"][0] for tau, result in by_tau.items()}
    for name in ("footprint", "connection_sparsity", "activation_sparsity", *COUNTS):
        label = f"{kind}_{name.lower()}"
        figures[label] = float(np.mean([measures[name] for measures in first.values()]))
        figures[f"{label}_tau17"] = float(first[17][name])
    return figures
