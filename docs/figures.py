"""Figures of the JSON files in ``docs/results``, for the tables of the documentation.

Tables are written by cog, from the code in the comments above them:
``python docs/pages.py figures``.
"""

import json
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parent / "results"


def result(name):
    """Return everything that an experiment wrote."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def figure(name, key):
    """
    Return a figure.

    Parameters
    ----------
    name : str
        Name of the JSON file; ``*`` stands for the seeds 0, 1 and 2.
    key : str
        Name of the figure.

    Returns
    -------
    value : float
        The figure, the mean of those of the three seeds.
    """
    return float(np.mean(figures(name, key)))


def figures(name, key):
    """Return the figure of each seed, as a list; ``*`` in a name stands for the seed."""
    return [each["figures"][key] for each in results(name)]


def results(name):
    """Return what each seed wrote, as a list; ``*`` in a name stands for the seed."""
    names = [name.replace("*", str(seed)) for seed in range(3)] if "*" in name else [name]
    return [result(each) for each in names]


def seeds(name, key):
    """Return the figures of all seeds, with two digits, as text."""
    return ", ".join(f"{value:.2f}" for value in figures(name, key))


def by_seed(name, key, digits=2):
    """Return a figure of all seeds in one JSON file, as text."""
    found = result(name)
    values = [found["figures"].get(f"{key}_seed{s}") for s in found["settings"]["seeds"]]
    return ", ".join(f"{value:.{digits}f}" for value in values if value is not None)


def n_seeds(name):
    """Return the number of seeds in one JSON file, as text."""
    n = len(result(name)["settings"]["seeds"])
    return "1 seed" if n == 1 else f"{n} seeds"


def took(name):
    """Return how long the whole run took, as text; of one seed if the name has a ``*``."""
    seconds = np.mean([each["seconds"] for each in results(name)])
    units = ("s", 1), ("min", 60), ("h", 3600)
    unit, length = next(each for each in units if seconds < 100 * each[1])
    return f"{seconds / length:.0f} {unit}" + (" a seed" if "*" in name else "")


def plain(value, digits=2):
    """Return a number as text: 0.034, 5.1e-5, and one digit more from 0.1 on."""
    return f"{value:.{digits + (value >= 0.1)}g}".replace("e-0", "e-")


def measured(name, key, digits=3):
    """Return the mean and, in brackets, the worst of several seeds, as text."""
    mean, worst = (figure(name, key + end) for end in ("", "_worst"))
    return f"{mean:.{digits}f} ({worst:.{digits}f})"


# what the tables of a memory that is told nothing show, by the names in the grid
SIGNALS = {
    "noise up to 0.25 Hz, rms 0.03": "noise to 0.25 of the band, rms 0.03",
    "noise up to 1 Hz, rms 0.03": "noise to 1 of the band, rms 0.03",
    "rms 0.3": "noise to 1 of the band, rms 0.3",
    "peak 1": "noise to 1 of the band, peak 1",
    "rms 0.6 (leaves the radius)": "noise to 1 of the band, rms 0.6",
    "rms 1 (leaves the radius)": "noise to 1 of the band, rms 1",
    "constant 0.03": "constant 0.03",
    "constant 1": "constant 1",
    "step to 0.5": "step to 0.5",
    "square wave of 1": "square wave of 1",
    "pulses of 0.8": "pulses of 0.8",
    "sine of 1 Hz, 1": "sine at 1 of the band, 1",
    "Mackey-Glass, peak 1": "Mackey-Glass, peak 1",
    "recorded EEG, peak 1": "recorded EEG, peak 1",
}
MEMORIES = {
    "theta 0.1 s": "theta 0.1 s",
    "theta 1 s": "base",
    "theta 10 s (60 s, synapse of 1 s)": "theta 10 s",
    "order 3": "order 3",
    "order 12": "order 12",
    "order 27": "order 27",
    "100 neurons": "100 neurons",
    "300 neurons": "300 neurons",
    "3,000 neurons": "3,000 neurons",
    "10,000 neurons": "10,000 neurons",
}


def robustness_by_signal():
    """Return the rows of the table of signals, for theta 1 s, order 6 and 1,000 neurons."""
    grid = result("spiking_robustness")["settings"]["grid"]
    columns = [
        f"{how}, base, {kind}" for kind in ("LIF", "SRL") for how in ("untold", "told")
    ]
    for label, name in SIGNALS.items():
        errors = [plain(grid[column][name]["nrmse"]) for column in columns]
        exact = plain(grid[columns[0]][name]["exact"])
        yield f"| {label} | {' | '.join(errors)} | {exact} |"


def robustness_by_memory():
    """Return the rows of the table of memories that are told nothing."""
    found = result("spiking_robustness")["figures"]
    for label, name in MEMORIES.items():
        own = [f"untold, {name}, {kind}" for kind in ("LIF", "SRL")]
        worst = [plain(found[f"{each}: worst_held"]) for each in own]
        warned = [
            f"{found[f'{each}: inside_warned']} of {found[f'{each}: inside']}"
            for each in own
        ]
        yield f"| {label} | {' | '.join(worst + warned)} |"


def robustness_told():
    """Return errors of memories that are told their signals, and numbers of warnings."""
    found = result("spiking_robustness")["figures"]

    def worst(memory):
        return (plain(found[f"told, {memory}, {k}: worst_held"]) for k in ("LIF", "SRL"))

    def total(how, what):
        names = [key for key in found if key.startswith(how) and key.endswith(f": {what}")]
        return sum(found[name] for name in names if "order 27" not in name)

    def share(how, what):
        return f"{total(how, f'{what}_warned'):,} of {total(how, what):,}"

    lif, rectified = worst("base")
    lif_short, rectified_short = worst("theta 0.1 s")
    return (
        f"Told, the worst is {lif} with LIF and {rectified} with SpikingRectifiedLinear "
        f"({lif_short} and {rectified_short} at theta 0.1 s).\nApart from order 27, "
        f"{share('untold', 'outside')} memories whose exact state left a range by more "
        "than a quarter were warned of,\nand of those whose state stayed inside (last "
        f"columns), {share('untold', 'inside')} untold and {share('told', 'inside')} told."
    )


def frontier():
    """Return the rows of the table of networks in few spikes."""
    found = result("spiking_frontier")
    for name in ("150k", "500k", "1.5M"):
        own = {k: found["figures"][f"{k}_{name}"] for k in FRONTIER}
        by_seed = [found["figures"][f"accuracy_{name}_seed{seed}"] for seed in range(3)]
        yield (
            f"| `{name}` | {found['settings'][name]['order']} "
            f"| {own['memory_neurons']:,.0f}, {own['hidden_neurons']:,.0f} "
            f"| {own['spikes']:,.0f} | {', '.join(f'{x:.2f}' for x in by_seed)} % "
            f"| **{own['accuracy']:.2f} %** | {own['accuracy_exact_memory']:.2f} % "
            f"| {own['accumulates'] / 1e6:.0f} M |"
        )


MAPS = ("legendre", "delay", "principal", "random", "cosine")


def accuracy_by_order():
    """Return the rows of the table of accuracy against order: mean, smallest, largest."""
    found = result("psmnist_order")
    for q in found["settings"]["orders"]:
        cells = []
        for kind in MAPS:
            values = [
                found["figures"][f"{kind}_{q}_seed{s}"] for s in found["settings"]["seeds"]
            ]
            cells.append(f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})")
        yield f"| {q} | {' | '.join(cells)} |"


NETWORKS = {"lmu": "LMU", "lstm": "LSTM", "gru": "GRU", "rnn": "simple RNN"}


def baselines():
    """Return the rows of the table of tasks and networks: mean, and all seeds."""
    found = result("baselines")
    for name, task in found["settings"]["tasks"].items():
        digits = 4 if name.startswith("adding") else 2
        values = {kind: found["figures"][f"{name}_{kind}"] for kind in NETWORKS}
        cells = []
        for kind, value in values.items():
            shown = f"{value:.{digits}f}"
            shown = f"**{shown}**" if value == min(values.values()) else shown
            cells.append(f"{shown} ({by_seed('baselines', f'{name}_{kind}', digits)})")
        parameters = found["figures"][f"{name}_lmu_parameters"]
        cells += [f"{parameters:,.0f}", f"{task['seconds']:.0f}"]
        yield f"| `{name}` | {' | '.join(cells)} |"


def baseline_settings():
    """Return the rows of the table of what was chosen, and of the number of updates."""
    found = result("baselines")
    for name in found["settings"]["tasks"]:
        cells = []
        for kind in NETWORKS:
            rate, schedule, start = found["settings"]["results"][f"{name}_{kind}"][
                "setting"
            ]
            start = "" if start == "default" else f", {start}"
            updates = found["figures"][f"{name}_{kind}_updates"]
            cells.append(f"{rate:g}, {schedule}{start}; {updates:,.0f}")
        yield f"| `{name}` | {' | '.join(cells)} |"


def seq2seq():
    """Return the rows of the table of sequence to sequence: errors, mean and all seeds."""
    found = result("seq2seq")["figures"]
    labels = {
        "copy": "copy 40 values",
        "reverse": "reverse 40 values",
        "forecast": "forecast 20 steps of Mackey-Glass",
        "both_ways": "remove noise, bidirectional",
        "one_way": "remove noise, forward only",
    }
    for task, label in labels.items():
        values = {kind: found[f"nrmse_{kind}_{task}"] for kind in ("lmu", "lstm")}
        cells = [f"{found[f'floor_{task}']:.3g}"]
        for kind, value in values.items():
            shown = f"**{value:.3f}**" if value == min(values.values()) else f"{value:.3f}"
            cells.append(f"{shown} ({by_seed('seq2seq', f'nrmse_{kind}_{task}', 3)})")
        for what in ("parameters", "epochs"):
            both = (found[f"{what}_{kind}_{task}"] for kind in values)
            cells.append(", ".join(f"{value:,.0f}" for value in both))
        yield f"| {label} | {' | '.join(cells)} |"


def operations():
    """Return the rows of the table of accuracy and operations of small networks."""
    found = result("operations")["figures"]
    labels = {
        "lmu_converted": "LMU, converted",
        "lmu_spikes": "LMU, trained in spikes",
        "lstm_24": "LSTM, 24 cells",
        "lmu_rates": "LMU, rates",
        "lstm_48": "LSTM, 48 cells",
    }
    for key, label in labels.items():
        counts = ("dense_operations", "effective_macs", "effective_acs", "footprint")
        cells = [f"{found[f'{name}_{key}']:,.0f}" for name in counts]
        accuracy = f"{found[f'accuracy_{key}']:.1f} %"
        each = by_seed("operations", f"accuracy_{key}", 1)
        yield f"| {label} | {accuracy} ({each}) | {' | '.join(cells)} |"


def why():
    """Return the rows of recall by delay of networks that are trained at each delay."""
    found = result("why")
    delays, results = found["settings"]["delays"], found["settings"]["results"]
    for kind, label in (*NETWORKS.items(), ("hmm", "HMM")):
        cells = []
        for d in delays:
            mean, each = figure("why", f"recalled_{kind}_{d}"), f"recalled_{kind}_{d}"
            cells.append(f"{mean:.1f} ({by_seed('why', each, 0)})")
        others = []
        for d in delays[:-1]:
            values = [
                r["at_longest"] for r in results.get(f"{kind}_{d}", []) if "at_longest" in r
            ]
            if values:
                others.append(f"{d}: {', '.join(f'{value:.0f}' for value in values)}")
        yield f"| {label} | {' | '.join(cells)} | {'; '.join(others)} |"
    kinds = list(NETWORKS)[1:]
    updates = [
        ", ".join(
            f"{np.mean([r['updates'] for r in results[f'{k}_{d}']]):,.0f}" for k in kinds
        )
        for d in delays
    ]
    yield f"| updates: LSTM, GRU, RNN | {' | '.join(updates)} | |"


def before_training():
    """Return the rows of gradients, pulses and gates of networks that are not trained."""
    found = result("why")["figures"]

    def row(label, name):
        values = [found.get(name.format(kind)) for kind in NETWORKS]
        return f"| {label} | {' | '.join('' if v is None else plain(v) for v in values)} |"

    ends = {10: "10 steps before", 100: "100", 1000: "1,000", 10_000: "10,000"}
    for k, label in ends.items():
        start = "gradient of the last state with respect to the input " if k == 10 else ""
        yield row(start + label, f"gradient_{{}}_{k}")
    for k in (100, 10_000):
        yield row(f"what is left of a pulse after {k:,} steps", f"left_{{}}_{k}")
    yield row("share of gates (simple RNN: units) below 0.1 or above 0.9", "saturated_{}")


def curriculum(names):
    """Return rows of recall by delay, from pairs of a name in the figures and its label."""
    found = result("curriculum")
    for name, label in names:
        if f"{name}_10" not in found["figures"]:
            continue
        cells = []
        for delay in found["settings"]["delays"]:
            key = f"{name}_{delay}"
            seeds = by_seed("curriculum", key, 0)
            cells.append(f"{found['figures'][key]:.1f} ({seeds})")
        yield f"| {label} | {' | '.join(cells)} |"


def reached():
    """Return, as text, the longest delay that each network learned with growing delays."""
    found = result("curriculum")["figures"]
    return "; ".join(
        f"{label} {by_seed('curriculum', f'{kind}_growing_reached', 0)}"
        for kind, label in NETWORKS.items()
        if f"{kind}_growing_reached" in found
    )


FRONTIER = (
    *("accuracy", "accuracy_exact_memory", "memory_neurons", "hidden_neurons", "spikes"),
    "accumulates",
)


ENGINES = {
    "last step": "last output",
    "all steps": "every step's output",
    "recurrent": "feedback everywhere",
    "first batch": "a small network, from the command to the end of its first batch, s",
}


def engines():
    """Return the rows of the table of training in JAX beside NengoDL."""
    found = result("training_engines")["figures"]
    for name, label in ENGINES.items():
        own = found[name]
        yield (
            f"| {label} | {own['trainer']:.3g} | {own['nengo_dl']:.3g} "
            f"| {own['ratio']:.2f} ({own['least']:.2f} to {own['most']:.2f}) |"
        )


def training_ratios(kinds=("last step", "all steps", "recurrent")):
    """Return how many times as fast as keras-lmu training is, as text."""
    found = result("training_speed")["figures"]
    each = [
        f"{found[f'ratio_{kind}']:.3g} ({found[f'least_ratio_{kind}']:.3g} to "
        f"{found[f'largest_ratio_{kind}']:.3g})"
        for kind in kinds
    ]
    return "; ".join(each)


def engine_ratios():
    """Return the engine's speed over core Nengo's, for 1 and 100 sequences."""
    found = {
        task["batch"]: task["contestants"]["core"]["ratio"][0]
        for task in result("engine")["tasks"]
        if (task["n_neurons"], task["neurons"]) == (1000, "SpikingRectifiedLinear")
    }
    return f"{found[1]:.0f}; {found[100]:.0f}"


def table(head, rows):
    """Return a table in Markdown from its head and the other rows, a text or several."""
    line = "|" + "---|" * (head.count("|") - 1)
    rows = rows.strip().split("\n") if isinstance(rows, str) else rows
    return "\n".join(["", head, line, *rows, ""])
