"""A memory delays noise by its window: the task of most spiking experiments."""

import nengo
import numpy as np

import lmu_nengo
from experiments._lib.parallel import run_many
from lmu_nengo import targets

# the thesis' task of order 3: the whole window, without a filter
WINDOW_TASK = dict(
    theta=0.1, order=3, high=3.0, rms=1.0, seconds=2.0, dt=0.001, n_delays=100
)
WINDOW_MEMORY = dict(neuron_type=nengo.LIF(), expected_input=lmu_nengo.Band(3.0, 1.0))


def build_delay(realization, seed, theta, order, high, rms, seconds, dt, filter_s):
    """
    Build a memory that delays white noise by its whole window.

    Parameters
    ----------
    realization : lmu_nengo.Linear or lmu_nengo.Spiking
        Realization of the memory.
    seed : int
        Seed of signal and neurons.
    theta, order, high, rms, seconds, dt, filter_s : float
        See `run_delay`.

    Returns
    -------
    network : nengo.Network
        The network.
    output, signal : nengo.Probe
        The delayed signal and the input, both filtered.
    """
    process = nengo.processes.WhiteSignal(seconds, high=high, rms=rms, y0=0, seed=seed)
    with nengo.Network(seed=seed) as network:
        signal = nengo.Node(process, label="signal")
        memory = lmu_nengo.LegendreMemory(theta, order, realization=realization, dt=dt)
        delayed = nengo.Node(size_in=1, label="delayed")
        nengo.Connection(signal, memory.input, synapse=None)
        decoders = lmu_nengo.delay_decoders(order, 1.0)
        nengo.Connection(memory.output, delayed, transform=decoders, synapse=None)
        output = nengo.Probe(delayed, synapse=filter_s)
        filtered = nengo.Probe(signal, synapse=filter_s)
    return network, output, filtered


def late(signal, theta, dt):
    """Delay a signal of shape (n_steps, size) by theta seconds."""
    steps = round(theta / dt)
    return np.concatenate([np.zeros((steps, signal.shape[1])), signal[:-steps]])


def run_delay(
    realization,
    seed,
    theta=1.0,
    order=6,
    high=1.0,
    rms=0.3,
    seconds=20.0,
    dt=0.001,
    filter_s=0.1,
    engine="core",
):
    """
    Delay white noise by the memory's whole window.

    Parameters
    ----------
    realization : lmu_nengo.Linear or lmu_nengo.Spiking
        Realization of the memory.
    seed : int
        Seed of signal and neurons.
    theta : float
        Window, and delay, in seconds.
    order : int
        Order of the memory.
    high : float
        The noise contains all frequencies up to this one, in Hz.
    rms : float
        Its root mean square.
    seconds : float
        How long to run; the noise has this period.
    dt : float
        Step in seconds.
    filter_s : float or None
        Time constant in seconds of the lowpass on output and target; ``None`` for none.
    engine : {"jax", "core"}
        What runs the network.

    Returns
    -------
    output : ndarray of shape (n_steps, 1)
        The delayed signal, filtered.
    target : ndarray of shape (n_steps, 1)
        The signal one window ago, filtered.
    """
    network, output, signal = build_delay(
        realization, seed, theta, order, high, rms, seconds, dt, filter_s
    )
    sim = targets.run(network, engine, seconds, dt=dt)
    return sim.data[output], late(sim.data[signal], theta, dt)


def summarize(name, errors):
    """
    Mean and worst of the errors with several seeds.

    Parameters
    ----------
    name : str
        Name of the mean; that of the worst is ``NAME_worst``.
    errors : list of float
        One for each seed.

    Returns
    -------
    figures : dict of {str: float}
        As for `experiments._lib.results.report`.
    """
    return {name: float(np.mean(errors)), f"{name}_worst": float(np.max(errors))}


def delay_figures(cases, seeds, description, engine):
    """
    Errors at several delay tasks.

    Parameters
    ----------
    cases : dict of {str: (realization, task)}
        By name of the figure; ``task`` is a dict of the other arguments of `run_delay`.
    seeds : iterable of int
        Each case is run with each seed.
    description : str
        Text beside the progress bar.
    engine : {"jax", "core"}
        What runs the networks.

    Returns
    -------
    figures : dict of {str: float}
        Mean and worst NRMSE of each case.
    traces : dict of {str: (output, target)}
        Output and target of each case with the first seed.
    """
    seeds = list(seeds)
    jobs = [(r, seed, task, engine) for r, task in cases.values() for seed in seeds]
    runs = run_many(_run, jobs, description)
    figures, traces = {}, {}
    for i, name in enumerate(cases):
        own = runs[i * len(seeds) : (i + 1) * len(seeds)]
        figures |= summarize(name, [lmu_nengo.signal.nrmse(*run) for run in own])
        traces[name] = own[0]
    return figures, traces


def _run(realization, seed, task, engine):
    return run_delay(realization, seed, **task, engine=engine)


def window_error(seed, target="core", synapse=0.01, n_neurons=384):
    """
    Error of a spiking memory over its whole window, in the thesis' task of order 3.

    Parameters
    ----------
    seed : int
        Seed of signal and neurons.
    target : {"core", "jax", "loihi"}
        Where the spiking memory runs. The exact one runs in core Nengo if that is Loihi.
    synapse : float
        Time constant of the spiking memory's synapses in seconds; the thesis has 10 ms.
    n_neurons : int
        Neurons of the spiking memory; the thesis has 384.

    Returns
    -------
    error : float
        NRMSE against an exact memory, over 100 delays from 0 to theta.
    """
    task = WINDOW_TASK
    dt, seconds = task["dt"], task["seconds"]
    decoders = lmu_nengo.delay_decoders(task["order"], np.linspace(0, 1, task["n_delays"]))

    def run(target, *realizations):
        process = nengo.processes.WhiteSignal(
            seconds, high=task["high"], rms=task["rms"], y0=0, seed=seed
        )
        probes = []
        with nengo.Network(seed=seed) as network:
            signal = nengo.Node(process)
            for realization in realizations:
                memory = lmu_nengo.LegendreMemory(
                    task["theta"], task["order"], realization=realization, dt=dt
                )
                nengo.Connection(signal, memory.input, synapse=None)
                probes.append(nengo.Probe(memory.output))
        sim = targets.run(network, target, seconds, dt=dt)
        return [sim.data[probe] @ decoders.T for probe in probes]

    spiking = lmu_nengo.Spiking(n_neurons, synapse=synapse, **WINDOW_MEMORY)
    if target == "loihi":
        (output,), (exact,) = run(target, spiking), run("core", lmu_nengo.Linear())
    else:
        output, exact = run(target, spiking, lmu_nengo.Linear())
    return lmu_nengo.signal.nrmse(output, exact)
