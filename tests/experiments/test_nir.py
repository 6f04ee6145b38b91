"""The classifier of the experiment `nir`, and its figures."""

import warnings

import nengo
import numpy as np
import pytest

pytest.importorskip("nir")
pytest.importorskip("sklearn")

from experiments.spiking._nir_digits import AFTER, DT, STEPS, Digits
from lmu_nengo import targets
from lmu_nengo.targets.nir import export_nir, read_nir, run_graph, write_nir
from tests.experiments.commands import figures_of

for needed in ("norse", "spikingjelly"):  # importing Norse here would import TensorFlow
    if not targets.installed(needed):
        pytest.skip(f"needs {needed}", allow_module_level=True)


@pytest.mark.slow
def test_simulators_fire_the_spikes_of_the_graph(tmp_path):
    figures = figures_of("nir", tmp_path, "--quick")["figures"]
    equal = [value for name, value in figures.items() if name.startswith("equal")]
    assert len(equal) == 8 and min(equal) > 0.99
    assert figures["nrmse_norse_lif"] < 0.06


@pytest.fixture(scope="module")
def digits():
    return Digits(0)


@pytest.mark.slow
def test_rate_network_in_nengo_is_the_one_trained(digits):
    network = digits.network()
    held = np.repeat(digits.x_test[1], STEPS, axis=0)
    x = np.concatenate([held, np.zeros((AFTER * STEPS, 1))])
    network.pixel.output = nengo.processes.PresentInput(x, DT)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(len(x))
    output = sim.data[network.probe][64 * STEPS - 1 :: STEPS].mean(axis=0)
    np.testing.assert_allclose(output, digits.outputs(digits.x_test[1:2])[0], atol=1e-6)


@pytest.mark.slow
def test_classifier_runs_from_one_file(digits, tmp_path):
    make_module = targets.load("norse").make_module
    network = digits.spiking()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_nir(tmp_path / "digits.nir", export_nir(network, output=network.digit))
    graph = read_nir(tmp_path / "digits.nir")
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    assert sorted(kinds) == ["Affine"] * 3 + ["CubaLIF", "Input", "Output"]
    n = 4
    result = run_graph(graph, digits.shown(n), make_module, dtype="float32")
    output = result.output[:, -AFTER * STEPS :].mean(axis=1)
    expected = digits.outputs(digits.x_test[:n])
    assert np.mean(output.argmax(axis=1) == expected.argmax(axis=1)) >= 0.75
    assert np.corrcoef(output.ravel(), expected.ravel())[0, 1] > 0.9
