"""Experiments on targets."""

import importlib.util

import pytest

from tests.experiments.commands import figures_of


def test_backends_runs_on_core(tmp_path):
    figures = figures_of("backends", tmp_path, "--quick", "--target", "core")["figures"]
    assert figures["nrmse_core"] < 0.05
    # 800 neurons at 400 Hz at most
    assert 1000 < figures["spikes_per_second_core"] < 800 * 400
    assert (tmp_path / "backends.png").stat().st_size > 10_000


@pytest.mark.slow
def test_quantization_costs_little_at_many_bits_and_much_at_few(tmp_path):
    figures = figures_of("quantization", tmp_path, "--quick")["figures"]
    exact = figures["nrmse_exact"]
    for what, bits in (("direct_weight", 16), ("synapse_weight", 16), ("state", 24)):
        assert figures[f"nrmse_{what}_{bits}"] == pytest.approx(exact, abs=1e-3)
    # the matrix applied once a step is the identity and a little: it needs more bits
    assert figures["nrmse_direct_weight_8"] > 5 * figures["nrmse_synapse_weight_8"]
    assert figures["accuracy_weight_3"] < figures["accuracy_weight_16"]
    assert (tmp_path / "quantization.png").stat().st_size > 10_000


@pytest.mark.slow
def test_digits_in_spikes_agree_with_the_rate_network(tmp_path):
    options = ("--quick", "--target", "core")
    figures = figures_of("psmnist", tmp_path, *options, stem="psmnist_core")["figures"]
    assert figures["digits"] == 10
    assert figures["agreement_rate"] >= 90


@pytest.mark.slow
@pytest.mark.parametrize("target", ["jax", "norse", "spikingjelly", "ocl"])
def test_digits_on_a_target_agree_with_the_rate_network(tmp_path, target):
    backend = {"ocl": "nengo_ocl"}.get(target, target)
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs {backend}")
    options = ("--target", target, "--streamed", 100)
    written = figures_of("psmnist", tmp_path, *options, stem=f"psmnist_{target}")
    figures = written["figures"]
    assert figures["digits"] == 100
    assert figures["agreement_rate"] >= 97
