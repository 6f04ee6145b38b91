"""Training through a memory's spikes: its data, and that a run goes on where it was."""

import numpy as np
import pytest

pytest.importorskip("optax")

from experiments.spiking.through_spikes import DELAY, FILTER, products
from tests.experiments.commands import figures_of


def test_products_are_filtered_as_by_a_first_order_system():
    x, y = products(2, 0)
    late = np.concatenate([np.zeros((2, DELAY, 1)), x[:, :-DELAY]], axis=1)
    decay = np.exp(-0.001 / FILTER)
    expected = np.zeros_like(y)
    for i in range(1, y.shape[1]):
        now = x[:, i] * late[:, i]
        expected[:, i] = decay * expected[:, i - 1] + (1 - decay) * now
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(tmp_path):
    first, second = (
        figures_of("through_spikes", tmp_path, "--quick", "--resume")["figures"]
        for _ in range(2)
    )
    assert first == second and first["nrmse_converted"] < 0.25
