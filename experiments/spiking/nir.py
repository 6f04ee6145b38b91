"""A spiking memory and a classifier through NIR, in Norse and in SpikingJelly.

The memory: theta 0.2 s, order 4, 800 neurons, noise of 2 Hz with rms 0.4, output and target
through 20 ms, 5 s without the first second, five seeds. Its figures are the NRMSE of the
delayed signal, and the lowest agreement of the simulator's spikes with those of the graph
computed in NumPy: of all pairs of a neuron and a step in which either fires, those in which
both do. In 64 bits both run freely; in 32 bits NumPy computes which neurons should fire
given all spikes of the simulator before.

The classifier: scikit-learn's 8x8 digits, permuted, in one file; a memory of order 32 in
1,024 neurons, 256 hidden neurons, a read-out; 80 ms a pixel, the answer from the last
0.32 s; all 359 test digits, on Norse in 32 bits. Its figures are the decisions equal to
those of the rate network, which scikit-learn trained on exact states with noise.
"""

import warnings

import click
import nengo
import numpy as np

from experiments._lib.command_line import (
    NotInstalled,
    console,
    resume_option,
    shared_options,
)
from experiments._lib.parallel import run_many
from experiments._lib.results import part, report
from experiments.spiking._delays import build_delay, late, summarize
from experiments.spiking._nir_digits import AFTER, DT, STEPS, Digits
from lmu_nengo import Band, Spiking, targets
from lmu_nengo.signal import nrmse

CONSUMERS = "norse", "spikingjelly"
NEEDED = 'pip install -e ".[norse,spikingjelly,experiments]"'
NEURONS = {"lif": nengo.LIF(), "spiking_rectified_linear": nengo.SpikingRectifiedLinear()}
THETA, ORDER, HIGH, RMS, FILTER, SETTLED = 0.2, 4, 2.0, 0.4, 0.02, 1.0
N_NEURONS, SECONDS, N_SEEDS, N_AT_ONCE = 800, 5.0, 5, 60


def run_memory(target, seed, kind, n_neurons=N_NEURONS, seconds=SECONDS):
    """
    Run the memory, and compare its spikes with those of the graph in NumPy.

    Parameters
    ----------
    target : {"norse", "spikingjelly"}
        The simulator.
    seed : int
        Seed of signal and neurons.
    kind : {"lif", "spiking_rectified_linear"}
        Neuron type of the network.
    n_neurons : int
        Neurons of the memory.
    seconds : float
        Simulated time.

    Returns
    -------
    error : float
        NRMSE of the delayed signal.
    free : float
        Agreement of the spikes in 64 bits.
    following : float
        Agreement in 32 bits, NumPy following the simulator's spikes.
    """
    import torch

    from lmu_nengo.targets.nir import agreement, run_graph, simulate_graph

    torch.set_num_threads(1)
    make_module = targets.load(target).make_module
    memory = Spiking(n_neurons, NEURONS[kind], expected_input=Band(HIGH, RMS))
    task = dict(theta=THETA, order=ORDER, high=HIGH, rms=RMS, seconds=SECONDS, dt=DT)
    network, output, signal = build_delay(memory, seed, **task, filter_s=None)
    sim = targets.run(network, target, seconds)
    delayed, wanted = (
        nengo.Lowpass(FILTER).filt(each, dt=DT, y0=0)[round(SETTLED / DT) :]
        for each in (sim.data[output], late(sim.data[signal], THETA, DT))
    )
    error = nrmse(delayed, wanted)
    x = late(sim.data[signal], DT, DT)  # the target delays its input by a step
    result = run_graph(sim.graph, x, make_module)
    free = agreement(result.spikes, simulate_graph(sim.graph, x).spikes)
    result = run_graph(sim.graph, x, make_module, dtype="float32")
    following = simulate_graph(sim.graph, x, follow=result.spikes)
    return error, free, agreement(result.spikes, following.spikes)


def classify(digits):
    """
    Run the classifier on Norse.

    Parameters
    ----------
    digits : experiments.spiking._nir_digits.Digits
        The classifier and its digits.

    Returns
    -------
    figures : dict of {str: float}
        Agreement with the rate network and accuracies in %, and spikes a digit.
    """
    n = len(digits.x_test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pixels are faster than the memory
        network = digits.spiking()
        simulators = [
            targets.load("norse").Simulator(
                network, inputs={network.pixel: x}, dtype="float32"
            )
            for x in np.array_split(digits.shown(n), -(-n // N_AT_ONCE))
        ]
    answers, spikes = [], 0
    for simulator in simulators:
        with simulator as sim:
            sim.run(digits.seconds)
        outputs = sim.data[network.probe][:, -AFTER * STEPS :]
        answers.append(outputs.mean(axis=1).argmax(axis=1))
        spikes += sim.spikes
    answers = np.concatenate(answers)
    rate = digits.outputs(digits.x_test).argmax(axis=1)
    return {
        "digits_agreement": 100 * float(np.mean(answers == rate)),
        "digits_accuracy": 100 * float(np.mean(answers == digits.y_test)),
        "digits_accuracy_rate": 100 * float(np.mean(rate == digits.y_test)),
        "digits_spikes": spikes / n,
    }


@click.command(help=__doc__)
@resume_option
@shared_options
def main(resume, quick, seed, out):
    """Run the experiment."""
    if not all(map(targets.installed, CONSUMERS)):
        raise NotInstalled(f"This experiment needs Norse and SpikingJelly: {NEEDED}.")
    seeds = range(seed, seed + (1 if quick else N_SEEDS))
    size = (100, 1.2) if quick else (N_NEURONS, SECONDS)
    folder = out / "nir"
    folder.mkdir(parents=True, exist_ok=True)
    figures = {}

    for name in CONSUMERS:
        for kind in NEURONS:
            case = f"{name}_{kind}"
            jobs = [(name, s, kind, *size) for s in seeds]

            def compare(case=case, jobs=jobs):
                errors, *equal = zip(*run_many(run_memory, jobs, case), strict=True)
                found = summarize(f"nrmse_{case}", errors)
                for bits, values in zip((64, 32), equal, strict=True):
                    found[f"equal_{bits}_{case}"] = min(values)
                return found

            found = part(folder / f"{case}.json", jobs, resume, compare)
            figures |= {key: value for key, value in found.items() if key != "asked"}
    if not quick:
        with console.status("classifier, Norse"):
            path = folder / "digits.json"
            found = part(path, "digits", resume, lambda: classify(Digits(0)))
        figures |= {key: value for key, value in found.items() if key != "asked"}
    settings = {"seeds": list(seeds), "n_neurons": size[0], "seconds": size[1]}
    path = report("nir", seed, quick, figures, {}, out, settings)
    console.print(f"Wrote {path}.")
