"""What the memory does for permuted sequential digits: accuracy against its order.

At the last step a Legendre memory of order q is a fixed linear map of all pixels to q
numbers. The same layers (MNIST: 400 and 120 rectified linear neurons) are trained on such
maps: the memory (legendre), a delay line of the last q pixels (delay), the q lowest
frequencies of the discrete cosine transform of the permuted sequence (cosine), a random
orthogonal projection (random), and the q principal components of the training digits
(principal). Training is that of the preset "small" of psmnist in fewer epochs (--epochs)
and without the adversarial push.

"small_pixels" is a multilayer perceptron on the raw pixels, which has no memory at all, of
at most as many parameters as that preset and trained like it, with the push and in all 40
epochs. For the first seed only: "small_legendre" is the preset itself, as a check
(`psmnist` trains the whole network), and "small_principal" the same with as many principal
components.

Three seeds (--seeds, from --seed on), each with its own permutation, validation split and
weights. The epoch that is best on the validation digits is tested on all test digits.
"""

import time
from functools import partial

import click
import numpy as np

from experiments._lib.command_line import (
    console,
    plain_errors,
    resume_option,
    seeds_option,
    shared_options,
)
from experiments._lib.results import part, report, save_figure
from experiments.psmnist import _maps, _perceptron
from experiments.psmnist._data import data_options, load_digits, split
from experiments.psmnist._training import PRESETS, SMALL_DIGITS, count_parameters

NAMES = {
    "principal": "principal components",
    "random": "random projection",
    "legendre": "Legendre memory",
    "cosine": "cosine transform",
    "delay": "delay line",
}
ORDERS = {784: (8, 16, 32, 64, 128, 256, 784), 64: (4, 8, 16, 32, 64)}
# hidden layers on raw pixels: the best of three shapes on the validation digits of seed 100
ON_PIXELS = {784: (190, 100), 64: (120,)}


class Data:
    """
    Digits of one seed: permuted, and divided into training, validation and test.

    Parameters
    ----------
    digits : lmu_nengo.datasets.Digits
        The set.
    n_validation : int
        Digits held out for validation.
    seed : int
        Seed of permutation and split.
    """

    def __init__(self, digits, n_validation, seed):
        n_steps = digits.x_train.shape[1]
        order = np.random.RandomState(seed).permutation(n_steps)
        parts = split(len(digits.x_train), n_validation, seed)
        self.sets = [
            (digits.x_train[part][:, order], digits.y_train[part]) for part in parts
        ]
        self.sets.append((digits.x_test[:, order], digits.y_test))
        self.n_steps, self.seed, self.axes = n_steps, seed, None

    def columns(self, kind, q):
        """Columns (n_steps, q) of a map: one of `NAMES`, or ``"pixels"`` for all pixels."""
        if kind == "principal":
            if self.axes is None:
                self.axes = _maps.principal(self.sets[0][0])
            return self.axes[:, :q]
        if kind == "random":
            return _maps.random_projection(self.n_steps, q, self.seed)
        make = {"legendre": _maps.legendre, "cosine": _maps.cosine}
        return make.get(kind, _maps.delay_line)(self.n_steps, q)


def test_map(data, kind, q, preset):
    """
    Train on what a map gives, and test.

    Parameters
    ----------
    data : Data
        Digits of one seed.
    kind : str
        The map.
    q : int
        How many numbers it gives.
    preset : experiments.psmnist._training.Preset
        How to train.

    Returns
    -------
    result : dict
        ``test`` and ``validation`` accuracy in %, ``parameters``, ``seconds`` of processor
        time, and the ``curve`` of validation accuracy by epoch.
    """
    columns = data.columns(kind, q).astype(np.float32)
    used, held_out, tested = ((x @ columns, y) for x, y in data.sets)
    started = time.process_time()
    trained = _perceptron.train(used, held_out, columns.T @ columns, preset, data.seed)
    outputs = trained.outputs(tested[0])
    return {
        "test": _perceptron.accuracy(outputs, tested[1]),
        "validation": max(trained.validation),
        "parameters": count_parameters(preset._replace(order=q)),
        "seconds": time.process_time() - started,
        "curve": trained.validation,
    }


def plans(n_steps, small, epochs, orders, first):
    """Yield what is trained: a name, the map, its size, and how."""
    short = small._replace(epochs=epochs, push=0)
    on_pixels = small._replace(hidden=ON_PIXELS[n_steps], order=n_steps)
    yield "small_pixels", "pixels", n_steps, on_pixels
    if first:
        yield "small_legendre", "legendre", small.order, small
        yield "small_principal", "principal", small.order, small
    for q in orders:
        for kind in NAMES:
            yield f"{kind}_{q}", kind, q, short


@click.command(help=__doc__)
@data_options
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=6,
    show_default=True,
    help="Epochs of each training for accuracy against order.",
)
@seeds_option()
@resume_option
@shared_options
def main(data, download, epochs, n_seeds, resume, quick, seed, out):
    """Run the experiment."""
    digits = load_digits(data, download)
    small = PRESETS["small"] if digits.name == "MNIST" else SMALL_DIGITS
    n_steps = digits.x_train.shape[1]
    orders = ORDERS[n_steps]
    if quick:
        orders, n_seeds, epochs = (orders[0], orders[-1]), 1, 1
        small = small._replace(epochs=1)
    found, seeds = {}, range(seed, seed + n_seeds)
    folder = out / "psmnist_order"
    sets = {each: Data(digits, small.n_validation, each) for each in seeds}
    planned = [
        (each, *plan)
        for each in seeds
        for plan in plans(n_steps, small, epochs, orders, each == seed)
    ]
    planned.sort(key=lambda plan: not plan[1].startswith("small"))  # these first
    for each, name, kind, q, preset in planned:
        path = folder / f"{name}-{each}.json"
        asked = [digits.name, kind, q, preset._asdict(), each]
        with plain_errors():
            make = partial(test_map, sets[each], kind, q, preset)
            result = part(path, asked, resume, make)
        found.setdefault(name, []).append(result)
        console.print(f"{name}, seed {each}: {result['test']:.2f} %")
    figures = {}
    for name, results in found.items():
        values = [result["test"] for result in results]
        figures[name] = float(np.mean(values))
        figures |= {f"{name}_seed{s}": v for s, v in zip(seeds, values, strict=False)}
    for name in [each for each in found if each.startswith("small")]:
        figures[f"parameters_{name}"] = found[name][0]["parameters"]
    settings = {
        "data": digits.name,
        "epochs": epochs,
        "orders": orders,
        "seeds": list(seeds),
        "small": small._asdict(),
        "hidden_on_pixels": ON_PIXELS[n_steps],
        "processor_seconds": sum(r["seconds"] for rs in found.values() for r in rs),
        "validation": {name: [r["validation"] for r in rs] for name, rs in found.items()},
    }
    shown = list(found)
    path = report("psmnist_order", seed, quick, figures, {}, out, settings, shown)
    draw(found, orders, digits.name, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(found, orders, name, path):
    """Draw the test error of every map by its size, with the range of the seeds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axis = figure.subplots()
    colors = dict(zip(NAMES, ("C2", "C7", "C0", "C4", "C1"), strict=True))
    markers = dict(zip(NAMES, "^xosd", strict=True))
    for kind, label in NAMES.items():
        errors = [[100 - r["test"] for r in found[f"{kind}_{q}"]] for q in orders]
        means = [np.mean(each) for each in errors]
        style = dict(color=colors[kind], marker=markers[kind], ms=5)
        axis.plot(orders, means, label=label, **style)
        lowest, highest = ([f(each) for each in errors] for f in (min, max))
        axis.fill_between(orders, lowest, highest, color=colors[kind], alpha=0.2, lw=0)
    pixels = np.mean([100 - r["test"] for r in found["small_pixels"]])
    axis.axhline(pixels, color="black", ls="--", lw=1)
    axis.annotate(
        "perceptron on all pixels, no memory, trained longer",
        (orders[0], pixels),
        (2, 4),
        textcoords="offset points",
        fontsize="small",
    )
    ticks = [1, 2, 5, 10, 20, 50]
    axis.set(xscale="log", yscale="log", xticks=orders, yticks=ticks)
    axis.set_xticklabels([str(q) for q in orders])
    axis.set_yticklabels([f"{tick}" for tick in ticks])
    axis.minorticks_off()
    axis.set(xlabel="order, or numbers kept", ylabel="test error (%)")
    axis.set_title(f"permuted {name}, read at the last step (bands: range of the seeds)")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    save_figure(figure, path)
