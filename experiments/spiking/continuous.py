"""The same memory with other solvers and steps: accuracy and cost.

A memory of one second and order 6 receives two sines (0.5 and 0.9 Hz) and returns the
signal one second late. The continuous memory has an exact solution: sines are themselves
states of a linear system, so the matrix exponential of both systems together gives the
output at any time. It is compared with Nengo networks with zero-order hold, Euler's rule
and the bilinear (trapezoidal) rule at steps from 10 us to 10 ms, and with memories of 1,000
spiking neurons. The figures are the normalized root mean square error (NRMSE) from the
second window on, and CPU seconds per simulated second, without building and compiling. The
compiled engine computes with 64 bits here, as core Nengo does. LIF neurons need steps
shorter than their refractory period of 2 ms.

Theory: in Nengo, the input at the end of a step stands for the whole step, so the input
arrives half a step early, and every error is proportional to the step (slope 1). Against
the exact output half a step later, the errors of the hold and of the bilinear rule fall
with the square of the step (slope 2), that of Euler's rule does not. The slopes are fitted
to steps of 0.1 to 10 ms.
"""

import time

import click
import nengo
import numpy as np
from nengo.exceptions import ValidationError

import lmu_nengo
from experiments._lib.command_line import console, engine_option, shared_options
from experiments._lib.parallel import run_many
from experiments._lib.results import report, save_figure
from lmu_nengo import targets

THETA, ORDER = 1.0, 6
FREQUENCIES, AMPLITUDES = (0.5, 0.9), (0.3, 0.3)  # Hz
SOLVERS = ("zoh", "euler", "bilinear")
NEURONS = {"lif": nengo.LIF(), "integrate_and_fire": nengo.SpikingRectifiedLinear()}
STEPS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SPIKING_STEPS = STEPS[2:]
# theory
REFERENCE = {
    "slope_zoh": 1,
    "slope_euler": 1,
    "slope_bilinear": 1,
    "slope_zoh_half_a_step_later": 2,
    "slope_euler_half_a_step_later": 1,
    "slope_bilinear_half_a_step_later": 2,
}
FROM = 2.0  # seconds


def signal(t):
    """Value of the input at time ``t``."""
    pairs = zip(AMPLITUDES, FREQUENCIES, strict=True)
    return sum(a * np.sin(2 * np.pi * f * t) for a, f in pairs)


def exact(seconds, dt):
    """
    Compute the output of the continuous memory, from rest.

    Parameters
    ----------
    seconds, dt : float
        Duration, and interval between the values.

    Returns
    -------
    output : ndarray of shape (n_steps,)
        At ``dt``, ``2 dt``...
    """
    from scipy.linalg import block_diag, expm

    A, B = lmu_nengo.signal.state_space(THETA, ORDER)
    turns = [2 * np.pi * f * np.array([[0, 1], [-1, 0]]) for f in FREQUENCIES]
    C = np.ravel([[a, 0] for a in AMPLITUDES])[None]  # (sin, cos) of each
    both = block_diag(A, *turns)
    both[:ORDER, ORDER:] = B @ C
    step = expm(both * dt)
    state = np.concatenate([np.zeros(ORDER), np.ravel([[0, 1] for _ in FREQUENCIES])])
    decoders = lmu_nengo.delay_decoders(ORDER, 1.0)[0]
    output = np.empty(round(seconds / dt))
    for i in range(len(output)):
        state = step @ state
        output[i] = decoders @ state[:ORDER]
    return output


def measure(solver, dt, seconds, seed, engine):
    """
    Run one network.

    Parameters
    ----------
    solver : str
        One of `SOLVERS` or of `NEURONS`.
    dt, seconds : float
        Step and duration.
    seed : int
        Seed of the neurons.
    engine : {"jax", "core"}
        What runs the network.

    Returns
    -------
    error, later : float
        NRMSE against the exact output, and against the exact output half a step later;
        NaN if the solver is unstable at this step.
    cost : float
        CPU time per simulated second.
    """
    try:
        if solver in SOLVERS:
            how = lmu_nengo.Linear(discretizer=solver)
        else:
            band = lmu_nengo.Band(1.0, 0.3)
            how = lmu_nengo.Spiking(1000, expected_input=band, neuron_type=NEURONS[solver])
        with nengo.Network(seed=seed) as network:
            source = nengo.Node(signal, label="sines")
            memory = lmu_nengo.LegendreMemory(THETA, ORDER, realization=how, dt=dt)
            late = nengo.Node(size_in=1)
            nengo.Connection(source, memory.input, synapse=None)
            decoders = lmu_nengo.delay_decoders(ORDER, 1.0)
            nengo.Connection(memory.output, late, transform=decoders, synapse=None)
            probe = nengo.Probe(late)
    except ValidationError:  # Euler's rule with too long a step
        return np.nan, np.nan, np.nan
    options = {"precision": "float64"} if engine == "jax" else {}
    with targets.load(engine).Simulator(network, dt=dt, **options) as sim:
        if engine == "jax":  # compiled in the first run
            sim.run(seconds)
            sim.simulator.reset()
        started = time.process_time()
        sim.run(seconds)
        cost = (time.process_time() - started) / seconds
    # Nengo calls a node with the time at the end of the step
    first = round(FROM / dt)
    output, target = sim.data[probe][first:, 0], exact(seconds + dt, dt / 2)
    now, later = target[1:-2:2][first:], target[2:-1:2][first:]
    return lmu_nengo.signal.nrmse(output, now), lmu_nengo.signal.nrmse(output, later), cost


@click.command(help=__doc__)
@engine_option()
@shared_options
def main(engine, quick, seed, out):
    """Run the experiment."""
    seconds = 3.0 if quick else 6.0
    steps = STEPS[4:] if quick else STEPS
    out.mkdir(parents=True, exist_ok=True)
    cases = [(s, dt) for s in SOLVERS for dt in steps]
    cases += [(n, dt) for n in NEURONS for dt in steps if dt in SPIKING_STEPS]
    found = run_many(measure, [(*case, seconds, seed, engine) for case in cases], "solvers")
    results = {case: value for case, value in zip(cases, found, strict=True)}
    figures = {}
    for solver in SOLVERS:
        kept = [(dt, *value) for (s, dt), value in results.items() if s == solver]
        kept = [row for row in kept if row[0] >= 1e-4 and np.isfinite(row[1])]
        step, error, later, _ = np.log(np.transpose(kept))
        for name, values in (("", error), ("_half_a_step_later", later)):
            figures[f"slope_{solver}{name}"] = float(np.polyfit(step, values, 1)[0])
    for (solver, dt), (error, later, cost) in results.items():
        if np.isfinite(error):
            name = f"{solver}_{1e6 * dt:.0f}us"
            figures[f"nrmse_{name}"] = float(error)
            figures[f"nrmse_{name}_half_a_step_later"] = float(later)
            figures[f"cost_{name}"] = cost
    settings = {"engine": engine, "theta": THETA, "order": ORDER, "seconds": seconds}
    settings |= {"n_neurons": 1000}
    settings |= {"frequencies": FREQUENCIES, "amplitudes": AMPLITUDES}
    shown = [name for name in figures if "later" not in name or "slope" in name]
    path = report("continuous", seed, quick, figures, REFERENCE, out, settings, shown)
    draw(results, path.with_suffix(".png"))
    console.print(f"Wrote {path} and {path.with_suffix('.png')}.")


def draw(results, path):
    """Draw the error by step, and the error by cost."""
    from matplotlib.figure import Figure

    names = {
        "zoh": "zero-order hold",
        "euler": "Euler's rule",
        "bilinear": "bilinear rule",
        "lif": "1,000 LIF",
        "integrate_and_fire": "1,000 integrate-and-fire",
    }
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, (solver, label) in enumerate(names.items()):
        rows = [(dt, *value) for (s, dt), value in results.items() if s == solver]
        steps, errors, later, costs = np.transpose(rows)
        style = dict(marker="os^Dv"[i], ms=5, color=f"C{i}")
        left.plot(1000 * steps, errors, "-", label=label, **style)
        if solver in SOLVERS:
            left.plot(1000 * steps, later, ":", **style, mfc="white")
        right.plot(costs, errors, "-", **style)
    left.plot([], [], "k:", label="against the output half a step later")
    left.set(xscale="log", yscale="log", xlabel="step (ms)", ylabel="NRMSE, delay of 1 s")
    left.set_title("error against the exact continuous memory")
    right.set(xscale="log", yscale="log", ylabel="NRMSE, delay of 1 s")
    right.set(xlabel="CPU seconds per simulated second")
    right.set_title("error by cost")
    right.minorticks_off()
    left.legend(frameon=False, fontsize="small")
    save_figure(figure, path)
