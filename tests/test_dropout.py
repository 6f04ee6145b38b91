import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo import Dropout
from lmu_nengo.training import Simulator, nengo_dl


def test_dropout_drops_in_training_only():
    n, rate = 2000, 0.3
    with nengo.Network() as network:
        source = nengo.Node(np.ones(n))
        dropout = nengo.Node(Dropout(rate, n))
        nengo.Connection(source, dropout, synapse=None)
        probe = nengo.Probe(dropout)

    def run(learning_phase):
        with network:
            nengo_dl.configure_settings(learning_phase=learning_phase)
        with Simulator(network, progress_bar=False, seed=0) as sim:
            return sim.predict(n_steps=1, verbose=0)[probe].ravel()

    trained = run(True)
    assert np.allclose(np.unique(trained), [0, 1 / (1 - rate)])
    # 4 standard deviations of a binomial share
    assert np.mean(trained == 0) == pytest.approx(
        rate, abs=4 * np.sqrt(rate * (1 - rate) / n)
    )
    assert np.all(run(False) == 1)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(2)
    assert np.all(sim.data[probe] == 1)


@pytest.mark.parametrize("rate, size", [(1, 5), (-0.1, 5), (0.5, 0), (0.5, 2.5)])
def test_bad_dropout_is_refused(rate, size):
    with pytest.raises(ValidationError):
        Dropout(rate, size)
