"""A classifier of small digits, for simulators that read NIR."""

import warnings

import nengo
import numpy as np

import lmu_nengo
from lmu_nengo.datasets import load_small_digits, permuted_sequences

DT = 0.001
ORDER, N_HIDDEN, AFTER = 32, 256, 4
STEPS, TAU, SCALE, PER_D = 80, 0.2, 60, 32


class Digits:
    """
    Reads 8 x 8 digits, less their mean, pixel by pixel in random order, then zeros.

    The rate network is an exact memory of 68 pixels, rectified linear neurons and a
    read-out, trained by scikit-learn on the memory's states in the last 4 pixels' time,
    with noise of 0.4 of each coefficient's spread. Its answer is the largest mean output
    in that time.

    Parameters
    ----------
    seed : int
        Seed of the permutation, the noise and the weights.
    """

    seconds = 1 + (64 + AFTER) * STEPS * DT  # for which a digit is shown

    def __init__(self, seed):
        from sklearn.neural_network import MLPClassifier

        data = load_small_digits()
        self.x, self.x_test = (
            permuted_sequences(part, seed) for part in (data.x_train, data.x_test)
        )
        self.y_test = data.y_test
        # the mean digit is taken away: neurons then hold what differs
        self.x, self.x_test = (part - self.x.mean(axis=0) for part in (self.x, self.x_test))
        self.memory = lmu_nengo.LegendreMemory(
            (64 + AFTER) * STEPS * DT, ORDER, add_to_container=False
        )
        m = self.states(self.x)
        self.scale = 1 / m.reshape(-1, ORDER).std(axis=0)
        m = np.tile(m.reshape(-1, ORDER) * self.scale, (3, 1))
        m += 0.4 * np.random.RandomState(seed).randn(*m.shape)
        self.mlp = MLPClassifier(
            (N_HIDDEN,), alpha=0.01, max_iter=25, random_state=seed, batch_size=200
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it need not converge
            self.mlp.fit(m, np.tile(np.repeat(data.y_train, AFTER + 1), 3))

    def states(self, x):
        """Exact states (n, 5, order) after the last pixel and each pixel's time on."""
        steps = (64 + AFTER) * STEPS
        response = lmu_nengo.signal.impulse_response(*self.memory.discrete(), steps)
        response = response.reshape(64 + AFTER, STEPS, -1).sum(axis=1)[::-1]
        return np.stack(
            [x[:, :, 0] @ response[AFTER - p : AFTER - p + 64] for p in range(AFTER + 1)],
            axis=1,
        )

    def outputs(self, x):
        """Mean outputs of the rate network."""
        hidden = self.states(x) * self.scale @ self.mlp.coefs_[0] + self.mlp.intercepts_[0]
        outputs = np.maximum(hidden, 0) @ self.mlp.coefs_[1] + self.mlp.intercepts_[1]
        return outputs.mean(axis=1)

    def network(self):
        """The same as a Nengo network."""
        with nengo.Network(seed=0) as network:
            network.pixel = nengo.Node(lambda t: 0.0, size_out=1, label="pixel")
            one = nengo.Node([1.0], label="one")
            memory = lmu_nengo.LegendreMemory(self.memory.theta, ORDER, label="memory")
            nengo.Connection(network.pixel, memory.input, synapse=None)
            scaled = nengo.Node(size_in=ORDER, label="scaled")
            nengo.Connection(memory.output, scaled, transform=self.scale, synapse=None)
            hidden = nengo.Ensemble(
                N_HIDDEN,
                1,
                neuron_type=nengo.RectifiedLinear(),
                gain=np.ones(N_HIDDEN),
                bias=self.mlp.intercepts_[0],
                label="hidden",
            )
            weights = [matrix.T for matrix in self.mlp.coefs_]
            nengo.Connection(scaled, hidden.neurons, transform=weights[0], synapse=None)
            network.digit = nengo.Node(size_in=10, label="digit")
            connect = {"post": network.digit, "synapse": None}
            nengo.Connection(hidden.neurons, transform=weights[1], **connect)
            bias = self.mlp.intercepts_[1][:, None]
            nengo.Connection(one, transform=bias, **connect)
            network.probe = nengo.Probe(network.digit)
        return network

    def spiking(self):
        """In neurons."""
        network = self.network()
        pixels = self.x[:20].reshape(-1, 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pixels are faster than the memory
            lmu_nengo.to_spiking(
                network,
                scale=SCALE,
                memories=lmu_nengo.Spiking(
                    ORDER * PER_D,
                    nengo.SpikingRectifiedLinear(),
                    synapse=TAU,
                    expected_input=nengo.processes.PresentInput(pixels, STEPS * DT),
                    coordinates="principal",
                    lead=0,
                ),
            )
        return network

    def shown(self, n):
        """Test digits as they are shown, after a second in which biases become complete."""
        held = np.repeat(self.x_test[:n], STEPS, axis=1)
        parts = np.zeros((n, 1000, 1)), held, np.zeros((n, AFTER * STEPS, 1))
        return np.concatenate(parts, axis=1)
