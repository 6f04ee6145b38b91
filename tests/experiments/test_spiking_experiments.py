import math

import numpy as np
import pytest

import lmu_nengo
from experiments.spiking import _delays, spiking_delay, spiking_scaling
from lmu_nengo import targets
from tests.experiments.commands import figures_of, read, run

HAS_JAX = targets.installed("jax")
FAST_SYNAPSES = "lowpass", "double_exponential", "delayed_lowpass"
SLOW_SYNAPSES = (
    "lowpass_100ms",
    "lowpass_20ms",
    "double_exponential",
    "alpha_50ms",
    "delayed_lowpass",
    "heterogeneous",
    "linear",
)
KINDS = (
    "poisson",
    "lif",
    "spiking_rectified_linear_varied",
    "spiking_rectified_linear",
    "spiking_rectified_linear_default",
)
# names of the quick runs' figures; each of the first also with _worst
FIGURES = {
    "spiking_delay": (
        {
            "nrmse_lif",
            "nrmse_spiking_rectified_linear",
            "nrmse_lif_from_spikes",
            "nrmse_spiking_rectified_linear_from_spikes",
            "nrmse_linear",
            "nrmse_order3_lif",
            "nrmse_order3_linear",
            "nrmse_order3_lif_as_published",
            "nrmse_lif_as_published",
        },
        set(),
    ),
    "spiking_order27": (
        {
            "nrmse_lif",
            "nrmse_spiking_rectified_linear",
            "nrmse_linear",
            "nrmse_lif_fine_steps",
            "nrmse_lif_as_published",
            "nrmse_lif_as_published_from_spikes",
            "nrmse_linear_as_published",
        },
        set(),
    ),
    "spiking_synapses": (
        {
            *(f"nrmse_published_{name}" for name in FAST_SYNAPSES),
            *(f"nrmse_published_{name}_from_spikes" for name in FAST_SYNAPSES),
            "nrmse_published_linear",
            *(f"nrmse_slow_{name}" for name in SLOW_SYNAPSES),
        },
        set(),
    ),
    "spiking_scaling": (
        {
            *(f"excess_{kind}_{n}" for kind in KINDS for n in (100, 500)),
            *(
                f"nrmse_{kind}_order{order}"
                for kind in ("lif", "spiking_rectified_linear", "linear")
                for order in (4, 6)
            ),
        },
        {f"exponent_{kind}" for kind in KINDS},
    ),
    "spiking_product": (
        {
            f"nrmse_{kind}{name}"
            for kind in ("lif", "spiking_rectified_linear")
            for name in ("", "_20ms")
        },
        set(),
    ),
    "spiking_neurons": (
        {
            f"nrmse_{name}_{n}"
            for name in (
                "spiking_rectified_linear",
                "regular_spiking",
                "lif",
                "stochastic_spiking",
                "poisson_spiking",
                "adaptive_lif",
                "adaptive_lif_rate",
                "izhikevich",
                "lif_rate",
                "rectified_linear",
                "sigmoid",
                "tanh",
            )
            for n in (100, 300)
        }
        | {"nrmse_linear", "nrmse_izhikevich_fine_steps"},
        set(),
    ),
    "time_cells": ({"nrmse_state"}, {"slope", "intercept", "correlation", "n_cells"}),
}


# these differ from spiking_delay in settings, not in what is simulated
SAME_SIMULATION = (
    "spiking_neurons",
    "spiking_order27",
    "spiking_scaling",
    "spiking_synapses",
)
QUICK = ("--quick", "--seed", 100)


def check(name, folder):
    """Check the files that a quick run has left; return its figures."""
    assert (folder / f"{name}.png").stat().st_size > 10_000
    written = read(folder, name)
    assert (written["experiment"], written["seed"], written["quick"]) == (name, 100, True)
    assert written["settings"]["seeds"] == [100, 101]
    summarized, single = FIGURES[name]
    figures = written["figures"]
    assert figures.keys() == summarized | {f"{n}_worst" for n in summarized} | single
    assert all(math.isfinite(value) for value in figures.values())
    assert all(figures[n] <= figures[f"{n}_worst"] for n in summarized)
    assert written["reference"].keys() <= figures.keys()
    return figures


@pytest.mark.slow
def test_spiking_delay_adds_little_error_to_an_exact_memory(tmp_path):
    figures_of("spiking_delay", tmp_path, *QUICK)
    figures = check("spiking_delay", tmp_path)
    for kind in ("lif", "spiking_rectified_linear"):
        assert figures[f"nrmse_{kind}"] < 1.5 * figures["nrmse_linear"]


@pytest.mark.skipif(not HAS_JAX, reason="needs JAX")
@pytest.mark.parametrize("name", ["nrmse_lif", "nrmse_spiking_rectified_linear"])
def test_single_precision_costs_no_accuracy(name):
    memory, errors = spiking_delay.MEMORIES[name], {}
    for engine in ("core", "jax"):
        run = _delays.run_delay(memory, 0, seconds=4.0, engine=engine)
        errors[engine] = lmu_nengo.signal.nrmse(*run)
    assert errors["jax"] == pytest.approx(errors["core"], rel=0.02)


@pytest.mark.slow
def test_time_cells_run_in_parallel_workers_of_a_process(tmp_path):
    assert run("time_cells", *QUICK, "--out", tmp_path).stderr == ""
    check("time_cells", tmp_path)


@pytest.mark.slow
def test_spiking_product_has_its_figures(tmp_path):
    figures_of("spiking_product", tmp_path, *QUICK)
    check("spiking_product", tmp_path)


@pytest.mark.parametrize("name", SAME_SIMULATION)
def test_every_case_and_seed_becomes_a_figure(name, tmp_path, monkeypatch):
    seeds = []

    def run_delay(
        realization, seed, theta, order, high, rms, seconds, dt, filter_s, engine
    ):
        """Return a sine, with noise from neurons, and the sine."""
        seeds.append(seed)
        target = np.sin(np.arange(round(seconds / dt)) / 100)[:, None]
        noise = np.random.RandomState(seed).randn(*target.shape)
        return target + 0.01 * realization.is_spiking * noise, target

    monkeypatch.setattr(_delays, "run_delay", run_delay)
    monkeypatch.setattr(spiking_scaling, "run_delay", run_delay)
    figures_of(name, tmp_path, *QUICK)
    check(name, tmp_path)
    assert seeds.count(100) == seeds.count(101) == len(seeds) / 2


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME_SIMULATION)
def test_quick_run_has_its_figures(name, tmp_path):
    run(name, *QUICK, "--out", tmp_path)
    check(name, tmp_path)


@pytest.mark.slow
def test_psmnist_runs_with_spiking_neurons_throughout(tmp_path):
    written = figures_of("psmnist_spiking", tmp_path, "--quick", "--permutation-seed", 100)
    assert written["settings"]["data"] == "8x8 digits"
    assert (tmp_path / "psmnist_spiking.png").stat().st_size > 10_000
    figures = written["figures"]
    assert figures["digits"] == 60
    assert figures["accuracy_exact_memory"] >= 85
    assert figures["accuracy"] >= figures["accuracy_exact_memory"] - 5
    assert figures["error_over_spread"] < 0.1
