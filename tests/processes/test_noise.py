import nengo
import numpy as np
import pytest
from nengo.exceptions import ValidationError

from lmu_nengo.processes import GaussianNoise
from lmu_nengo.training import Simulator, nengo_dl


def test_noise_is_added_in_training_only():
    n, std = 4000, 0.3
    with nengo.Network() as network:
        source = nengo.Node(np.ones(n))
        noise = nengo.Node(GaussianNoise(std, n))
        nengo.Connection(source, noise, synapse=None)
        probe = nengo.Probe(noise)

    def run(learning_phase):
        with network:
            nengo_dl.configure_settings(learning_phase=learning_phase)
        with Simulator(network, progress_bar=False, seed=0) as sim:
            return sim.predict(n_steps=1, verbose=0)[probe].ravel()

    trained = run(True)
    # 4 standard errors
    assert np.mean(trained) == pytest.approx(1, abs=4 * std / np.sqrt(n))
    assert np.std(trained) == pytest.approx(std, abs=4 * std / np.sqrt(2 * n))
    assert np.all(run(False) == 1)
    with nengo.Simulator(network, progress_bar=False) as sim:
        sim.run_steps(2)
    assert np.all(sim.data[probe] == 1)


@pytest.mark.parametrize("std, size", [(-0.1, 5), (0.5, 0), (0.5, 2.5)])
def test_bad_noise_is_refused(std, size):
    with pytest.raises(ValidationError):
        GaussianNoise(std, size)
