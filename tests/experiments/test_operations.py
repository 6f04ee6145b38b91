"""Operations of an LMU and of LSTMs against closed forms."""

import pytest

pytest.importorskip("optax")

from tests.experiments.commands import figures_of


@pytest.mark.slow
def test_operations_are_those_of_the_equations(tmp_path):
    first, second = (
        figures_of("operations", tmp_path, "--quick", "--resume")["figures"]
        for _ in range(2)
    )
    assert first == second
    for cells in (24, 48):  # four gates of input and state; ten outputs
        expected = 64 * (4 * cells * (1 + cells) + 10 * cells)
        assert first[f"dense_operations_lstm_{cells}"] == expected
    # a memory of order 32 and its encoder, 100 neurons, ten outputs
    expected = 64 * (32**2 + 32 + 1 + 32 * 100 + 100 * 10)
    for kind in ("rates", "converted", "spikes"):
        assert first[f"dense_operations_lmu_{kind}"] == expected
    assert first["effective_acs_lmu_rates"] == 0 < first["effective_acs_lmu_spikes"]
    assert first["accuracy_lmu_rates"] > 60  # of two epochs; chance is 10
