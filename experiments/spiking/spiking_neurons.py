"""Which neurons to choose: error of a spiking memory by type and number of neurons.

White noise of rms 0.3 up to 1 Hz, theta 1 s, order 6, synapses of 0.1 s, steps of 1 ms, 20
s, otherwise the defaults of `lmu_nengo.Spiking`; the normalized root mean square error
(NRMSE) of the delayed signal over the whole run, delayed signal and target through the same
lowpass of 0.1 s; mean and worst of three seeds, --seed and the two after it. nrmse_linear
is that of an exact memory, a lower bound for all neurons. nrmse_izhikevich_fine_steps is of
1,000 Izhikevich neurons in steps of 0.2 ms.
"""

import click
import nengo

import lmu_nengo
from experiments._lib.command_line import console, engine_option, shared_options
from experiments._lib.results import report, save_figure
from experiments.spiking._delays import delay_figures

TASK = dict(theta=1.0, order=6, high=1.0, rms=0.3, seconds=20.0, dt=0.001, filter_s=0.1)
NEURON_TYPES = {
    "spiking_rectified_linear": nengo.SpikingRectifiedLinear(),
    "regular_spiking": nengo.RegularSpiking(nengo.LIFRate()),
    "lif": nengo.LIF(),
    "stochastic_spiking": nengo.StochasticSpiking(nengo.LIFRate()),
    "poisson_spiking": nengo.PoissonSpiking(nengo.LIFRate()),
    "adaptive_lif": nengo.AdaptiveLIF(),
    "adaptive_lif_rate": nengo.AdaptiveLIFRate(),
    "izhikevich": nengo.Izhikevich(),
    "lif_rate": nengo.LIFRate(),
    "rectified_linear": nengo.RectifiedLinear(),
    "sigmoid": nengo.Sigmoid(),
    "tanh": nengo.Tanh(),
}


@click.command(help=__doc__)
@engine_option()
@shared_options
def main(engine, quick, seed, out):
    """Run the experiment."""
    seeds = range(seed, seed + (2 if quick else 3))
    sizes = (100, 300) if quick else (100, 300, 1000, 3000)
    task = dict(TASK, seconds=1.5) if quick else TASK
    expected = lmu_nengo.Band(task["high"], task["rms"])
    cases = {"nrmse_linear": (lmu_nengo.Linear(), task)}
    for name, neuron_type in NEURON_TYPES.items():
        for n in sizes:
            memory = lmu_nengo.Spiking(n, neuron_type, expected_input=expected)
            cases[f"nrmse_{name}_{n}"] = memory, task
    memory = lmu_nengo.Spiking(sizes[-2], nengo.Izhikevich(), expected_input=expected)
    cases["nrmse_izhikevich_fine_steps"] = memory, dict(task, dt=0.0002)
    out.mkdir(parents=True, exist_ok=True)
    figures, _ = delay_figures(cases, seeds, "neuron types", engine)
    settings = {"engine": engine, "seeds": list(seeds), "n_neurons": list(sizes)}
    settings |= {"synapse": 0.1, **task}
    path = report("spiking_neurons", seed, quick, figures, {}, out, settings)
    draw(sizes, figures, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(sizes, figures, path):
    """Draw the error by number of neurons, one line for each type."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, neuron_type in NEURON_TYPES.items():
        errors = [figures[f"nrmse_{name}_{n}"] for n in sizes]
        style = "o-" if neuron_type.spiking else "o--"
        axes.plot(sizes, errors, style, ms=4, lw=1, label=type(neuron_type).__name__)
    axes.axhline(figures["nrmse_linear"], color="black", lw=0.8, label="exact memory")
    axes.set(xscale="log", yscale="log", xlabel="neurons", ylabel="NRMSE, delay of 1 s")
    axes.set_title("order 6, 1 Hz (dashed: rate neurons)")
    figure.legend(loc="outside right upper", frameon=False)
    save_figure(figure, path)
