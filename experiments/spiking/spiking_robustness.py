"""How accurate spiking memories are for inputs that they were not made for.

\b
Signals: noise up to a quarter, a half and all of the band that the order holds,
  order / (6 theta) Hz, with an rms of 0.03 to 1; constants, a step, square waves, pulses,
  sines, the Mackey-Glass series and a recorded EEG.
Memories: theta 1 s, order 6, 1,000 neurons, and one of these changed: theta 0.1 or 10 s;
  order 3, 12 or 27; 100, 300, 3,000 or 10,000 neurons. LIF and SpikingRectifiedLinear.
Untold: Spiking(n_neurons, neuron_type) and nothing else, one memory for all signals.
Told: expected_input is ten signals of the same kind (--recordings) from other seeds
  (--seed + 1000 and on), each as long; for theta of 1 and 0.1 s.

The figure is the NRMSE of the signal delayed by theta against that of an exact memory of
the same order, both through a lowpass of 0.1 s, over 20 windows (6 if theta is 10 s).
"window" in the JSON file is the error over 21 delays from 0 to theta, without a filter.
Means of all seeds, by the compiled engine.

The table holds the worst signal among those that stay within the radius, 1, and that the
exact memory itself delays to 2%; and how often a memory whose population left its range
was warned of. A signal counts as outside if the state of the exact memory exceeds a range
by more than a quarter, as inside if it stays in all ranges.
"""

import warnings

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import console, seeds_option, shared_options
from experiments._lib.parallel import run_many
from experiments._lib.results import report, save_figure
from experiments.spiking._signals import make_signals
from lmu_nengo.memory import RangeMonitor, excess
from lmu_nengo.nef.input_model import simulate_sequences
from lmu_nengo.signal import nrmse

DT = 0.001
WINDOWS = 20
LONGEST = 60.0  # seconds of a signal
FILTER = 0.1
OUTSIDE = 1.25  # of a range; a warning comes from 1.1 on
HELD = 0.02  # error of the exact memory up to which a signal counts
TOLD_SEED = 1000
BASE = dict(theta=1.0, order=6, n_neurons=1000)
CHANGES = (
    {},
    {"theta": 0.1},
    {"theta": 10.0},
    {"order": 3},
    {"order": 12},
    {"order": 27},
    {"n_neurons": 100},
    {"n_neurons": 300},
    {"n_neurons": 3000},
    {"n_neurons": 10_000},
)
TOLD = {}, {"theta": 0.1}
KINDS = {"LIF": nengo.LIF(), "SRL": nengo.SpikingRectifiedLinear()}
FIGURES = ("nrmse", "window", "exact", "farthest", "outside", "warned", "peak")


def name_of(change):
    """Name of a memory, by what was changed."""
    names = {"theta": "theta {:g} s", "order": "order {}", "n_neurons": "{:,} neurons"}
    return ", ".join(names[k].format(v) for k, v in change.items()) or "base"


def length_of(setting, windows):
    """Length and step of the signals."""
    return {"seconds": min(windows * setting["theta"], LONGEST), "dt": DT}


def measure(theta, order, realization, signals, seed):
    """
    Run a spiking memory on several signals at once.

    Parameters
    ----------
    theta, order : float and int
        The memory.
    realization : lmu_nengo.Spiking
        Its realization.
    signals : ndarray of shape (n, n_steps)
        Inputs.
    seed : int
        Seed of the network.

    Returns
    -------
    figures : ndarray of shape (n, 7)
        `FIGURES` of each.
    """
    from lmu_nengo import engine

    with nengo.Network(seed=seed) as network:
        u = nengo.Node([0])
        memory = lmu_nengo.LegendreMemory(theta, order, realization=realization, dt=DT)
        nengo.Connection(u, memory.input, synapse=None)
        probe = nengo.Probe(memory.output)
    monitor = RangeMonitor(network)
    n = len(signals)
    with engine.Simulator(network, dt=DT, minibatch_size=n, progress_bar=False) as sim:
        sim.run_steps(signals.shape[1], data={u: signals[:, :, None]})
        m = np.asarray(sim.data[probe])
        seen = {probe: np.asarray(sim.data[probe]) for probe in monitor.probes}
    exact = simulate_sequences(*memory.discrete(), signals)
    late = round(theta / DT)
    delayed = np.pad(signals, ((0, 0), (late, 0)))[:, :-late, None]
    one, every = (lmu_nengo.delay_decoders(order, x) for x in (1.0, np.linspace(0, 1, 21)))
    spiking, ideal, delayed = (
        nengo.Lowpass(FILTER).filt(y, dt=DT, y0=0, axis=1)
        for y in (m @ one.T, exact @ one.T, delayed)
    )
    rows = []
    for i, signal in enumerate(signals):
        farthest = excess(memory, exact[i]).max()
        found = monitor.excursions({p: x[i] for p, x in seen.items()}, DT)
        rows.append(
            (
                nrmse(spiking[i], ideal[i]),
                nrmse(m[i] @ every.T, exact[i] @ every.T),
                nrmse(ideal[i], delayed[i]),
                farthest,
                float(farthest > OUTSIDE) - float(farthest <= 1),
                len(found),
                np.abs(signal).max(),
            )
        )
    return np.array(rows)


def untold(change, kind, seed, windows):
    """Figures (n_signals, 7) of a memory that knows nothing of its input."""
    setting = BASE | change
    n_neurons = setting.pop("n_neurons")
    signals = make_signals(**setting, **length_of(setting, windows), seed=seed)
    memory = lmu_nengo.Spiking(n_neurons, KINDS[kind])
    return measure(**setting, realization=memory, signals=stack(signals), seed=seed)


def told(change, kind, name, seeds, windows, n_recordings):
    """Figures (n_seeds, 7) of a memory that was shown other signals of the same kind."""
    setting = BASE | change
    n_neurons = setting.pop("n_neurons")
    length = length_of(setting, windows)
    shown, signals = (
        np.array([make_signals(**setting, **length, seed=seed)[name] for seed in each])
        for each in (seeds[0] + TOLD_SEED + np.arange(n_recordings), seeds)
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The expected input reaches")
        memory = lmu_nengo.Spiking(n_neurons, KINDS[kind], expected_input=shown[:, :, None])
        return measure(**setting, realization=memory, signals=signals, seed=seeds[0])


def stack(signals):
    """Signals by name as an array (n_signals, n_steps)."""
    return np.array(list(signals.values()))


def summarize(rows):
    """
    Worst figures of a memory.

    Parameters
    ----------
    rows : ndarray of shape (n_seeds, n_signals, 7)
        `FIGURES` of each.

    Returns
    -------
    figures : dict of {str: float}
        By name.
    """
    column = {name: rows[:, :, i] for i, name in enumerate(FIGURES)}
    within = column["peak"] <= 1 + 1e-9
    held = (within & (column["exact"] <= HELD)).all(axis=0)
    within = within.all(axis=0)
    means = column["nrmse"].mean(axis=0)
    outside, inside = column["outside"] == 1, column["outside"] == -1
    return {
        "worst_held": float(means[held].max()),
        "worst_held_seed": float(column["nrmse"][:, held].max()),
        "worst_within": float(means[within].max()),
        "n_held": int(held.sum()),
        "outside": int(outside.sum()),
        "outside_warned": int((column["warned"][outside] > 0).sum()),
        "inside": int(inside.sum()),
        "inside_warned": int((column["warned"][inside] > 0).sum()),
    }


@click.command(help=__doc__)
@seeds_option(10)
@click.option(
    "--memory",
    "memories",
    multiple=True,
    type=click.Choice([name_of(change) for change in CHANGES]),
    help="Memory to run; may be repeated. Default: all.",
)
@click.option("--untold-only", is_flag=True, help="Leave out what is told.")
@click.option(
    "--recordings",
    "n_recordings",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Number of signals by which a memory is told.",
)
@shared_options
def main(n_seeds, memories, untold_only, n_recordings, quick, seed, out):
    """Run the experiment."""
    changes, windows = (CHANGES[:1], 5) if quick else (CHANGES, WINDOWS)
    if memories:
        changes = [change for change in changes if name_of(change) in memories]
    n_seeds = min(n_seeds, 2) if quick else n_seeds
    told_changes = [change for change in changes if change in TOLD and not untold_only]
    seeds = list(range(seed, seed + n_seeds))
    names = list(make_signals(1.0, 6, 5.0, DT, seed))
    shown_names = names[2::6] if quick else names
    cases = [(change, kind) for change in changes for kind in KINDS]
    told_cases = [(change, kind) for change in told_changes for kind in KINDS]
    out.mkdir(parents=True, exist_ok=True)
    jobs = [(*case, s, windows) for case in cases for s in seeds]
    runs = iter(run_many(untold, jobs, "untold"))
    jobs = [
        (*case, name, seeds, windows, n_recordings)
        for case in told_cases
        for name in shown_names
    ]
    told_runs = iter(run_many(told, jobs, "told") if jobs else [])

    figures, grid = {}, {}
    for how, own_cases, own_names in (
        ("untold", cases, names),
        ("told", told_cases, shown_names),
    ):
        for change, kind in own_cases:
            if how == "untold":
                rows = np.array([next(runs) for _ in seeds])
            else:
                rows = np.array([next(told_runs) for _ in own_names]).transpose(1, 0, 2)
            label = f"{how}, {name_of(change)}, {kind}"
            figures |= {f"{label}: {k}": v for k, v in summarize(rows).items()}
            means = rows.mean(axis=0).round(5)
            grid[label] = {
                name: dict(zip(FIGURES, row.tolist(), strict=True))
                for name, row in zip(own_names, means, strict=True)
            }
    settings = {
        "seeds": seeds,
        "told_seed": seeds[0] + TOLD_SEED,
        "recordings": n_recordings,
        "windows": windows,
        "filter_s": FILTER,
        "dt": DT,
        "base": BASE,
        "grid": grid,
    }
    shown = [name for name in figures if "seed" not in name and "n_held" not in name]
    path = report("spiking_robustness", seed, quick, figures, {}, out, settings, shown)
    draw(grid, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(grid, path):
    """Draw the error of each signal and memory as a map."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    labels, names = list(grid), list(next(iter(grid.values())))
    values = np.array(
        [
            [grid[label].get(name, {}).get("nrmse", np.nan) for label in labels]
            for name in names
        ]
    )
    figure = Figure(figsize=(3 + 0.42 * len(labels), 2 + 0.27 * len(names)))
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    image = axes.imshow(values, norm=LogNorm(1e-3, 1), cmap="RdYlGn_r", aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.2g}" if value >= 0.01 else f"{value:.3f}"
            axes.text(j, i, text.removeprefix("0"), ha="center", va="center", size=6)
    axes.set_xticks(range(len(labels)), labels, rotation=60, ha="right", size=8)
    axes.set_yticks(range(len(names)), names, size=8)
    figure.colorbar(image, label="NRMSE against the exact memory", shrink=0.6)
    save_figure(figure, path)
