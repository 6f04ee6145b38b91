"""Permuted sequential digits in few spikes: accuracy against spikes a digit.

Memory and hidden layer consist of integrate-and-fire neurons that fire at most once in a
step. Two populations of the memory share the error of each dimension. Hidden layer and
read-out are trained first; the memory then gets a number of spikes, which it spends on
what they are sensitive to. The hidden layer fires in the 20 steps after the last pixel.
"""

import json

import click
import numpy as np
from rich.table import Table

from experiments._lib.command_line import console, resume_option, shared_options
from experiments._lib.results import read_json, report, save_figure
from experiments.psmnist._data import data_options, load_digits
from experiments.psmnist._frontier import Preset, evaluate
from lmu_nengo.io import write_atomically

MNIST = {
    "50k": Preset(spikes=40e3, order=112),
    "150k": Preset(spikes=125e3, order=152),
    "500k": Preset(spikes=420e3, order=208),
    "1.5M": Preset(spikes=1.3e6, order=256),
}
# a hidden layer in spikes, that fires for so many milliseconds, on an exact memory
EXACT = {"order": 208, "n_hidden": 512, "epochs": 40, "dropout": 0.3}
MNIST |= {f"exact{n}": Preset(spikes=0, listening=n, **EXACT) for n in (3, 5, 10, 20)}
SMALL = {
    "8k": Preset(
        spikes=8e3, order=32, n_hidden=64, epochs=100, batch=20, push=0.2, dropout=0.3
    ),
    "20k": Preset(
        spikes=20e3, order=32, n_hidden=64, epochs=100, batch=20, push=0.2, dropout=0.3
    ),
}
# accuracy in % of other spiking networks, whose spikes a digit are not known
PUBLISHED = {"Spiking LMUFormer": 97.92, "PMSN": 97.78, "DelRec": 96.21, "BHRF": 95.2}
SHOWN = {
    "accuracy": "accuracy (%)",
    "accuracy_exact_memory": "exact memory, no spikes (%)",
    "spikes": "spikes a digit",
    "memory_neurons": "memory neurons",
    "accumulates": "accumulates",
}


def show(rows):
    """Print the mean over all seeds, one row for each network."""
    table = Table(title="mean of all seeds")
    for column in ("network", *SHOWN.values()):
        table.add_column(column, justify="right")
    for name, figures in rows.items():
        values = [np.mean([each[key] for each in figures]) for key in SHOWN]
        table.add_row(name, *(f"{v:,.0f}" if v > 200 else f"{v:.4g}" for v in values))
    console.print(table)


def draw(rows, is_mnist, path):
    """Draw accuracy against spikes, of each seed and of their mean."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    spikes, accuracy = (
        np.array([[each[key] for each in figures] for figures in rows.values()])
        for key in ("spikes", "accuracy")
    )
    has_spikes = np.array([row[0]["memory_neurons"] > 0 for row in rows.values()])
    kinds = {
        "all in spikes": has_spikes,
        "exact memory, hidden layer in spikes": ~has_spikes,
    }
    for (label, chosen), color in zip(
        kinds.items(), ("tab:blue", "tab:orange"), strict=True
    ):
        if chosen.any():
            x, y = spikes[chosen], accuracy[chosen]
            axes.plot(x, y, ".", color=color, alpha=0.4)
            axes.plot(x.mean(1), y.mean(1), "o-", color=color, label=label)
    for row, x, y in zip(rows.values(), spikes.mean(1), accuracy.mean(1), strict=True):
        n_memory, n_hidden = (row[0][f"{key}_neurons"] for key in ("memory", "hidden"))
        text = f"{n_memory:,.0f} + {n_hidden:,.0f} neurons"
        if not n_memory:
            text = f"{row[0]['listening']:.0f} ms"
        axes.annotate(
            text, (x, y), (0, 14), textcoords="offset points", size=7, ha="center"
        )
    if is_mnist:
        across = axes.get_yaxis_transform()
        for name, value in PUBLISHED.items():
            axes.axhline(value, color="gray", lw=0.7, ls="--")
            text = f"{name}, {value:g} (published, spikes not known)"
            axes.text(0.01, value - 0.02, text, transform=across, size=7, va="top")
    axes.set(xscale="log", xlabel="spikes a digit, memory and hidden layer")
    axes.set(ylabel="test accuracy (%)")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.08))
    axes.margins(x=0.15, y=0.08)
    save_figure(figure, path)


@click.command(help=__doc__)
@data_options
@click.option(
    "--permutation-seed",
    "permutation_seeds",
    type=click.IntRange(0),
    multiple=True,
    default=(0, 1, 2),
    show_default=True,
    help="Seed of the order of the pixels and of all else; may be repeated.",
)
@click.option(
    "--network", "networks", multiple=True, help="Network to run. Default: all of them."
)
@click.option("--digits", "n_digits", type=click.IntRange(1), help="Default: all.")
@click.option("--batch", type=click.IntRange(1), help="Digits that run side by side.")
@click.option(
    "--validate", is_flag=True, help="Test on training digits that are held out instead."
)
@resume_option
@shared_options
def main(
    data,
    download,
    permutation_seeds,
    networks,
    n_digits,
    batch,
    validate,
    resume,
    quick,
    seed,
    out,
):
    """Run the experiment."""
    digits = load_digits(data, download)
    is_mnist = digits.name == "MNIST"
    presets = MNIST if is_mnist else SMALL
    unknown = set(networks) - set(presets)
    if unknown:
        raise click.UsageError(
            f"--network must be one of {', '.join(presets)}, got {', '.join(unknown)}."
        )
    if validate:
        held_out = len(digits.x_train) // 6
        digits = digits._replace(
            x_train=digits.x_train[:-held_out],
            y_train=digits.y_train[:-held_out],
            x_test=digits.x_train[-held_out:],
            y_test=digits.y_train[-held_out:],
        )
    if quick:
        permutation_seeds = permutation_seeds[:1]
        n_digits = n_digits or 100
        names = list(presets)[:1]
        presets = {k: presets[k]._replace(epochs=presets[k].epochs // 4) for k in names}
    digits = digits._replace(
        x_test=digits.x_test[:n_digits], y_test=digits.y_test[:n_digits]
    )
    out.mkdir(parents=True, exist_ok=True)
    rows = {name: [] for name in presets if name in networks or not networks}
    path = out / "spiking_frontier_rows.json"
    done = read_json(path) if resume and path.exists() else {}
    for name, row in rows.items():
        for permutation_seed in permutation_seeds:
            how = presets[name]._asdict(), digits.name, len(digits.x_test), validate
            key = json.dumps([permutation_seed, *how])
            if key not in done:
                done[key] = evaluate(presets[name], digits, permutation_seed, batch)
                write_atomically(path, json.dumps(done, indent=2).encode())
            row.append(done[key])
            line = ", ".join(f"{key} {value:.6g}" for key, value in row[-1].items())
            console.print(f"{name}, seed {permutation_seed}: {line}")
    show(rows)
    figures = {}
    for name, row in rows.items():
        for key in row[0]:
            figures[f"{key}_{name}"] = float(np.mean([each[key] for each in row]))
        for permutation_seed, each in zip(permutation_seeds, row, strict=True):
            for key in ("accuracy", "spikes"):
                figures[f"{key}_{name}_seed{permutation_seed}"] = each[key]
    settings = {"data": digits.name, "validate": validate}
    settings |= {"permutation_seeds": list(permutation_seeds)}
    settings |= {name: presets[name]._asdict() for name in rows}
    main_figures = [f"{key}_{name}" for name in rows for key in ("accuracy", "spikes")]
    path = report("spiking_frontier", seed, quick, figures, {}, out, settings, main_figures)
    draw(rows, is_mnist, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")
