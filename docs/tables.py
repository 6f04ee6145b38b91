"""Rows of the tables that show many figures of one experiment, for `docs/figures.py`."""

from figures import measured, plain, result


def capacity():
    """Return the rows of the table of the untrained LMU's errors."""
    found = result("capacity")["figures"]
    published = {100: "2e-2", 1000: "2e-4", 10_000: "3e-6", 100_000: "1e-6"}
    for n in (25, 100, 400, 1000, 1600, 10_000, 100_000):
        yield (
            f"| {n:,} | {plain(found[f'worst_lmu_T{n}'], 3)} | {published.get(n, '')} "
            f"| {plain(found[f'worst_lmu_centred_T{n}'])} "
            f"| {found[f'seconds_lmu_T{n}']:.2g} |"
        )


def capacity_networks():
    """Return the rows of the table of trained networks, beside the untrained LMU."""
    all_of_it = result("capacity")
    found, runs = all_of_it["figures"], all_of_it["settings"]["networks"]
    published = {25: 0.0187, 100: 0.0173, 400: 0.0626, 1600: 0.0841}

    def cell(kind, n):
        validation, run = found[f"validation_{kind}_T{n}"], runs[f"{kind}_T{n}"]
        return (
            f"{plain(found[f'mse_{kind}_T{n}'])}; {plain(validation)} "
            f"({run['epochs']}, {run['seconds']:.0f} s)"
        )

    for n, value in published.items():
        yield (
            f"| {n:,} | {plain(found[f'mse_lmu_T{n}'])} "
            f"| {plain(found[f'mse_lmu_centred_T{n}'])} "
            f"| {cell('lstm', n)} | {value} | {cell('gru', n)} | {cell('rnn', n)} "
            f"| {found[f'mse_zero_T{n}']:.3f} |"
        )


def continuous():
    """Return the rows of the table of solvers and steps."""
    found = result("continuous")["figures"]
    kinds = {
        "zoh": "zero-order hold",
        "euler": "Euler's rule",
        "bilinear": "bilinear rule",
        "integrate_and_fire": "1,000 integrate-and-fire neurons",
        "lif": "1,000 LIF",
    }
    for kind, label in kinds.items():
        slopes = [f"slope_{kind}{end}" for end in ("", "_half_a_step_later")]
        slopes = [f"{found[each]:.2f}" if each in found else "" for each in slopes]
        errors = [
            plain(found[f"nrmse_{kind}_{end}"])
            for end in ("1000us", "1000us_half_a_step_later", "10000us")
        ]
        yield f"| {label} | {' | '.join(slopes + errors)} |"


def scaling():
    """Return the rows of the table of errors and exponents by the number of neurons."""
    found = result("spiking_scaling")["figures"]
    alike = "SpikingRectifiedLinear, equal and staggered"
    kinds = {
        "spiking_rectified_linear": f"{alike}, intercepts of -3",
        "spiking_rectified_linear_default": "the same with the default intercepts, -1.5",
        "spiking_rectified_linear_varied": (
            "SpikingRectifiedLinear, varied, random initial voltages"
        ),
        "poisson": "PoissonSpiking of RectifiedLinear",
        "lif": "LIF",
    }
    for kind, label in kinds.items():
        errors = [plain(found[f"excess_{kind}_{n}"]) for n in (100, 1000, 10_000)]
        yield f"| {label} | {found[f'exponent_{kind}']:.2f} | {' | '.join(errors)} |"


def backends():
    """Return the rows of the table of one memory on every target."""
    found = result("backends")["figures"]
    remarks = {"ocl": " (PoCL)", "loihi": " (emulator)"}
    for name in ("core", "jax", "dl", "ocl", "loihi", "norse", "spikingjelly"):
        operations = found[f"synaptic_operations_per_second_{name}"]
        shown = f"{operations:,.0f}" if operations < 1e6 else f"{operations / 1e6:.1f} M"
        yield (
            f"| `{name}`{remarks.get(name, '')} "
            f"| {measured('backends', f'nrmse_{name}', 4)} "
            f"| {found[f'spikes_per_second_{name}']:,.0f} | {shown} "
            f"| {found[f'seconds_per_cpu_second_{name}']:.2g} |"
        )


def on_targets():
    """Return the rows of the table of a trained classifier on targets."""
    names = ("jax", "norse", "spikingjelly", "ocl", "dl", "loihi")
    for name in names:
        found = result(f"psmnist_{name}")["figures"]
        shares = [f"{found[k]:.1f} %" for k in ("agreement_rate", "agreement_core")]
        yield (
            f"| `{name}` | {found['digits']:.0f} | {' | '.join(shares)} "
            f"| {found['accuracy']:.1f} % | {found['accuracy_rate']:.1f} % "
            f"| {found['seconds_per_digit']:.2g} |"
        )


def bits():
    """Return the rows of the table of rounded weights and states."""
    found = result("quantization")["figures"]
    for n in (6, 8, 10, 12, 16):
        errors = [plain(found[f"nrmse_{k}_{n}"]) for k in BITS]
        shares = [f"{found[f'accuracy_{k}_{n}']:.1f} %" for k in ("weight", "state")]
        yield f"| {n} | {' | '.join(errors + shares)} |"
    exact = [plain(found["nrmse_exact"])] * 3 + [f"{found['accuracy_exact']:.1f} %"] * 2
    yield f"| not rounded | {' | '.join(exact)} |"


BITS = "direct_weight", "synapse_weight", "state"


def loihi_windows():
    """Return the rows of the table of synapses and numbers of neurons on Loihi."""
    published = "loihi_as_published"
    synapses = {f"{tau} ms": f"loihi_window_{tau}ms_384" for tau in (5, 20, 30, 50, 100)}
    synapses["10 ms"] = published
    neurons = {str(n): f"loihi_window_10ms_{n}" for n in (96, 192, 768)}
    neurons["384"] = published
    left, right = (
        [
            f"{label} | {measured('backends', f'nrmse_{each[label]}', 4)}"
            for label in sorted(each, key=lambda x: int(x.split()[0]))
        ]
        for each in (synapses, neurons)
    )
    right += [" | "] * (len(left) - len(right))
    for one, other in zip(left, right, strict=True):
        yield f"| {one} | | {other} |"


def engine_tasks():
    """Return the rows of the table of the engine beside other simulators."""
    for task in result("engine")["tasks"]:
        others = [task["contestants"].get(name) for name in SIMULATORS]
        ratios = [f"{ratio(each['ratio'][0])}" if each else "" for each in others]
        batch = f", batch {task['batch']}" * (task["batch"] > 1)
        yield (
            f"| order {task['order']}, {task['n_neurons']:,} {task['neurons']}{batch} "
            f"| {task['contestants']['engine']['median']:.2g} | {' | '.join(ratios)} |"
        )


SIMULATORS = "core", "NengoDL", "NengoOCL", "Brian2", "NEST"


def ratio(value):
    """Return a ratio with two digits, as text."""
    return f"{value:.2g}" if value < 100 else f"{float(f'{value:.2g}'):,.0f}"


def spiking_speed():
    """Return the rows of the table of how fast populations are simulated."""
    found = result("spiking_speed")["figures"]
    for order in (6, 24):
        for kind in ("LIF", "SpikingRectifiedLinear"):
            ratios = [found[f"ratio_{other}_{kind}_{order}"] for other in OTHERS]
            yield f"| {kind}, order {order} | {' | '.join(f'{x:.2f}' for x in ratios)} |"


OTHERS = "array", "single"


def training_speed():
    """Return the rows of the table of training beside keras-lmu."""
    found = result("training_speed")["figures"]
    kinds = {
        "last step": "last output, `LMUFeedforward`",
        "all steps": "every step's output, `LMUFeedforward(return_sequences=True)`",
        "recurrent": "feedback everywhere, `LMU`",
    }
    for kind, label in kinds.items():
        extremes = [found[f"{end}_ratio_{kind}"] for end in ("least", "largest")]
        yield (
            f"| {label} | {found[f'ms_ours_{kind}']:.3g} "
            f"| {found[f'ms_keras-lmu_{kind}']:.3g} | {found[f'ratio_{kind}']:.3g} "
            f"({extremes[0]:.3g} to {extremes[1]:.3g}) |"
        )


def nir():
    """Return the rows of the table of a memory in NIR's consumers."""
    found = result("nir")["figures"]
    consumers = {"norse": "Norse 1.1.0", "spikingjelly": "SpikingJelly 2.0.0"}
    kinds = {"lif": "LIF", "spiking_rectified_linear": "SpikingRectifiedLinear"}
    for name, consumer in consumers.items():
        for kind, label in kinds.items():
            equal = [found[f"equal_{bits}_{name}_{kind}"] for bits in (64, 32)]
            shown = [f"{value:.6f}".rstrip("0").rstrip(".") for value in equal]
            error = measured("nir", f"nrmse_{name}_{kind}", 4)
            yield f"| {consumer} | {label} | {error} | {' | '.join(shown)} |"


def streaming():
    """Return the rows of the table of what a step costs."""
    found = result("streaming")["figures"]
    ways = {
        "Stream, jax": "`Stream`, engine",
        "Stream, jax, blocks": "`Stream`, engine, 100 samples in a call",
        "Stream, core": "`Stream`, core Nengo",
        "Stream, core, blocks": "`Stream`, core Nengo, 100 samples in a call",
        "nengo.Simulator.step": "`nengo.Simulator.step`",
        "keras-lmu, predict": "keras-lmu, `predict` in a loop",
        "keras-lmu, call": "keras-lmu, a call of the model in a loop",
    }
    for way, label in ways.items():
        cells = []
        for name in ("spiking", "cell"):
            values = [found.get(f"{name}, {way}{end}") for end in ("", ", least")]
            cells.append("" if None in values else "{:,.0f} ({:,.0f})".format(*values))
        yield f"| {label} | {' | '.join(cells)} |"
