"""How the error of a spiking memory falls with neurons and grows with the order.

Neurons: white noise of rms 0.3 up to 1 Hz, theta 1 s, order 6, synapses of 0.1 s, steps of
1 ms, 20 s, 100 to 10,000 neurons; a lowpass of 0.1 s on all signals that are compared. The
excess is the normalized root mean square error (NRMSE) of the spiking memory's delayed
signal against that of an exact memory. The exponent is fitted to its mean over the seeds,
by least squares in the logarithms, over all numbers of neurons.

Independent noise falls with the exponent -1/2, that of neurons whose phases stay evenly
spread with -1. Integrate-and-fire neurons come near to it as they are by default (all
alike, staggered), with intercepts of -1.5 as well as of -3. "Varied" ones, with rates of
200 to 400 Hz, intercepts from -1.5 to 0.9 and random initial voltages, drift apart. With
LIF neurons the error levels off, because of what their leak does to a changing current.

Order: orders 2 to 12, 1,000 neurons, noise up to order / (6 theta) Hz; the NRMSE against
the signal itself, beside that of an exact memory.

Ten seeds, --seed and the nine after it.
"""

import click
import nengo
import numpy as np

import lmu_nengo
from experiments._lib.command_line import console, engine_option, shared_options
from experiments._lib.parallel import run_many
from experiments._lib.results import report, save_figure
from experiments.spiking._delays import delay_figures, run_delay, summarize

TASK = dict(theta=1.0, order=6, high=1.0, rms=0.3, seconds=20.0, dt=0.001, filter_s=0.1)
# theory: independent noise, and phases that stay evenly spread
REFERENCE = {
    "exponent_poisson": -0.5,
    "exponent_spiking_rectified_linear": -1,
}


KINDS = {
    "poisson": dict(neuron_type=nengo.PoissonSpiking(nengo.RectifiedLinear())),
    "lif": dict(neuron_type=nengo.LIF()),
    "spiking_rectified_linear_varied": dict(
        neuron_type=nengo.SpikingRectifiedLinear(
            initial_state={"voltage": nengo.dists.Uniform(0, 1)}
        ),
        max_rates=nengo.dists.Uniform(200, 400),
        intercepts=nengo.dists.Uniform(-1.5, 0.9),
    ),
    "spiking_rectified_linear": dict(
        neuron_type=nengo.SpikingRectifiedLinear(),
        intercepts=nengo.dists.Uniform(-3, -3),
    ),
    "spiking_rectified_linear_default": dict(neuron_type=nengo.SpikingRectifiedLinear()),
}
ORDER_KINDS = ("lif", "spiking_rectified_linear")


def excess(realization, seed, task, exact, engine):
    """Error of `run_delay` against the output of an exact memory."""
    output, _ = run_delay(realization, seed, **task, engine=engine)
    return lmu_nengo.signal.nrmse(output, exact)


def by_neurons(sizes, seeds, task, engine):
    """
    Excess by kind and number of neurons.

    Parameters
    ----------
    sizes : tuple of int
        Numbers of neurons.
    seeds : iterable of int
        Seeds of signal and neurons.
    task : dict
        Arguments of `run_delay`.
    engine : {"jax", "core"}
        What runs the networks.

    Returns
    -------
    errors : dict of {str: ndarray of shape (n_sizes, n_seeds)}
        By kind.
    """
    jobs = [(lmu_nengo.Linear(), seed, *task.values(), engine) for seed in seeds]
    exact = [output for output, _ in run_many(run_delay, jobs, "exact")]
    expected = lmu_nengo.Band(task["high"], task["rms"])
    jobs = [
        (
            lmu_nengo.Spiking(n, expected_input=expected, **kind),
            seed,
            task,
            exact[i],
            engine,
        )
        for kind in KINDS.values()
        for n in sizes
        for i, seed in enumerate(seeds)
    ]
    errors = np.reshape(run_many(excess, jobs, "neurons"), (len(KINDS), len(sizes), -1))
    return dict(zip(KINDS, errors, strict=True))


@click.command(help=__doc__)
@engine_option()
@shared_options
def main(engine, quick, seed, out):
    """Run the experiment."""
    seeds = range(seed, seed + (2 if quick else 10))
    sizes = (100, 500) if quick else (100, 200, 500, 1000, 2000, 5000, 10000)
    orders = (4, 6) if quick else (2, 4, 6, 8, 10, 12)
    task = dict(TASK, seconds=1.5) if quick else TASK
    out.mkdir(parents=True, exist_ok=True)
    errors = by_neurons(sizes, seeds, task, engine)
    fits = {
        kind: np.polyfit(np.log(sizes), np.log(values.mean(axis=1)), 1)
        for kind, values in errors.items()
    }
    figures = {f"exponent_{kind}": float(fit[0]) for kind, fit in fits.items()}
    for kind, values in errors.items():
        for n, value in zip(sizes, values, strict=True):
            figures |= summarize(f"excess_{kind}_{n}", value)
    cases = {}
    for order in orders:
        high = order / (6 * task["theta"])
        own, expected = dict(task, order=order, high=high), lmu_nengo.Band(high, 0.3)
        for kind in ORDER_KINDS:
            memory = lmu_nengo.Spiking(1000, expected_input=expected, **KINDS[kind])
            cases[f"nrmse_{kind}_order{order}"] = memory, own
        cases[f"nrmse_linear_order{order}"] = lmu_nengo.Linear(), own
    by_order, _ = delay_figures(cases, seeds, "orders", engine)
    figures |= by_order
    settings = {
        "engine": engine,
        "seeds": list(seeds),
        "n_neurons": list(sizes),
        "synapse": 0.1,
        **task,
        "kinds": {
            kind: {name: repr(value) for name, value in options.items()}
            for kind, options in KINDS.items()
        },
        "orders": {"n_neurons": 1000, "order": list(orders), "high": "order / (6 theta)"},
    }
    path = report("spiking_scaling", seed, quick, figures, REFERENCE, out, settings)
    draw(sizes, orders, fits, figures, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(sizes, orders, fits, figures, path):
    """Draw the excess with the fitted lines, and the error by order."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colors = {kind: f"C{i}" for i, kind in enumerate(KINDS)} | {"linear": "black"}
    n = np.array(sizes)
    for kind, (slope, level) in fits.items():
        values = [figures[f"excess_{kind}_{size}"] for size in sizes]
        label = f"{name(kind)}: {slope:.2f}"
        left.plot(n, np.exp(level) * n**slope, lw=1, color=colors[kind])
        left.plot(n, values, "o", ms=4, color=colors[kind], label=label)
    left.set(
        xscale="log", yscale="log", xlabel="neurons", ylabel="NRMSE against exact memory"
    )
    left.set_title("excess error, order 6 (legend: exponents)")
    for kind in (*ORDER_KINDS, "linear"):
        values = [figures[f"nrmse_{kind}_order{order}"] for order in orders]
        label = "exact memory" if kind == "linear" else None
        right.plot(orders, values, "o-", ms=4, color=colors[kind], label=label)
    right.set(yscale="log", xlabel="order", ylabel="NRMSE of delayed signal")
    right.set(title="order / 6 cycles per window, 1,000 neurons", xticks=orders)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    save_figure(figure, path)


def name(kind):
    """Kind of neuron in words."""
    return kind.replace("_", " ").replace("lif", "LIF")
