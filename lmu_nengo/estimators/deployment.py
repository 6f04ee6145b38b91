"""Estimators as Nengo networks: rate networks, spiking ones, and where they run."""

import copy
import warnings
from typing import Any

import nengo
import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from lmu_nengo import targets
from lmu_nengo._nengo import plain_config
from lmu_nengo._validation import check_choice, check_integer, check_positive
from lmu_nengo.conversion.rate_to_spiking import scale_for, to_spiking
from lmu_nengo.conversion.sequences import is_jax_installed
from lmu_nengo.estimators.series import all_coefficients, check_series
from lmu_nengo.layers.readout import Readout
from lmu_nengo.memory.network import LegendreMemory
from lmu_nengo.memory.spiking import Spiking
from lmu_nengo.nef.input_model import Recording

DT = 0.001  # step of the networks in seconds
LONGEST_HOLD = 10**6  # steps
QUANTILE = 0.999  # of the hidden activities
# targets that run series side by side, from their initial state: their options, and steps
# until a constant input has settled
BATCHED = {
    "jax": ({}, 0),
    "norse": ({"dtype": "float32"}, 1000),
    "spikingjelly": ({"dtype": "float32"}, 1000),
}
AT_A_TIME = 200  # series
FORGOTTEN = 1.5  # windows after which a series has left the memory


def spike_noise(scale, duration):
    """
    Variance of the mean output of an integrate-and-fire neuron whose spikes are counted.

    The count differs from its mean by the difference of two voltages, which are uniform
    between 0 and 1: a variance of 1/6.
    """
    return 1 / 6 / (scale * duration) ** 2


def make_network(
    mean, scale, theta, order, encoders, biases, weights, bias, seed
) -> nengo.Network:
    """
    Make the network of an estimator; one step is one value of a series.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_channels,)
        Of the channels.
    theta : float
        Length of the window in seconds, in steps of 1 ms.
    order : int
        Legendre polynomials per channel.
    encoders, biases : ndarray of shape (hidden_d, ...) and (hidden_d,), or None
        Of the hidden layer.
    weights, bias : ndarray of shape (size_out, ...) and (size_out,)
        Of the read-out.
    seed : int
        Seed of everything random.

    Returns
    -------
    network : nengo.Network
        With the attributes ``input`` (a node, for values of a series as they are),
        ``memory`` (of standardized values), ``hidden`` (an ensemble or None), ``output``
        (a node) and ``probe``, of the output.
    """
    network = nengo.Network(seed=seed, label="estimator", add_to_container=False)
    n_channels = len(mean)
    connect = nengo.Connection
    with plain_config(), network:
        # a constant could not be replaced by series on every target
        shown = nengo.processes.PresentInput(mean[None], DT)
        network.input = nengo.Node(shown, label="input")
        offset = nengo.Node(-mean / scale, label="offset")
        network.memory = LegendreMemory(theta, order, n_channels, dt=DT, label="memory")
        u = network.memory.input
        connect(network.input, u, transform=np.diag(1 / scale), synapse=None)
        connect(offset, u, synapse=None)
        readout = Readout(weights, bias)
        network.hidden = None
        if encoders is None:
            connect(network.memory.output, readout.input, synapse=None)
        else:
            network.hidden = nengo.Ensemble(
                len(encoders),
                1,
                neuron_type=nengo.RectifiedLinear(),
                gain=np.ones(len(encoders)),
                bias=biases,
                label="hidden",
            )
            current = network.hidden.neurons
            connect(network.memory.output, current, transform=encoders, synapse=None)
            connect(current, readout.input, synapse=None)
        network.output = readout.output
        network.probe = nengo.Probe(network.output, label="output")
    return network


class Deployed:
    """What estimators can do as networks; see `LMUClassifier` and `LMURegressor`."""

    hold_ = 1
    is_spiking_ = False

    def _make_network(self):
        """Make the network of what was fitted."""
        self.hold_, self.is_spiking_ = 1, False
        self.network_ = make_network(
            self.mean_,
            self.scale_,
            self.theta_ / self.dt * DT,
            self.order_,
            self.encoders_,
            self.biases_,
            self.coef_,
            self.intercept_,
            self.random_,
        )

    def to_spiking(
        self,
        X: ArrayLike,
        hold: int = 20,
        n_neurons: int = 100,
        rate: float = 300.0,
        neuron_type: nengo.neurons.NeuronType | None = None,
        **settings: Any,
    ) -> "Deployed":
        """
        Make an estimator whose memory and hidden layer are spiking neurons.

        Each value is shown for ``hold`` steps of 1 ms, the window is stretched with it, and
        the answer is the mean output over the second half of a value's steps.

        Parameters
        ----------
        X : as for `fit`
            Series like those to come, for example the training data.
        hold : int
            Steps for which a value is shown.
        n_neurons : int
            Neurons for each coefficient of the memory.
        rate : float
            Firing rate in Hz that one in a thousand activities of hidden neurons exceeds.
        neuron_type : nengo.neurons.NeuronType, optional
            Neurons of the memory; ``None`` is ``nengo.SpikingRectifiedLinear()``.
        **settings
            Further arguments of `lmu_nengo.Spiking`.

        Returns
        -------
        spiking : LMUClassifier or LMURegressor
            A copy; its ``network_`` is the spiking network, and its ``predict`` runs it.
        """
        check_is_fitted(self)
        hold = check_integer(hold, "hold", high=LONGEST_HOLD, obj=type(self))
        n_neurons = check_integer(n_neurons, "n_neurons", obj=type(self))
        check_positive(rate, "rate", unit="Hz", obj=type(self))
        series = self._inputs(check_series(self, X, reset=False))
        spiking = copy.copy(self)
        scale, noise = 1.0, 0.0
        x = series.standardized(self.mean_, self.scale_).x
        if self.hidden_d:
            m = all_coefficients(x, self.theta_, self.order_, self.dt)
            scale = scale_for(self._activities(m[series.is_data]), rate, QUANTILE)
            noise = spike_noise(scale, (hold - hold // 2) * DT)
        spiking._resolve(noise)
        network = spiking.network_
        kind = nengo.SpikingRectifiedLinear() if neuron_type is None else neuron_type
        memories = Spiking(n_neurons * self.order_ * len(self.mean_), kind, **settings)
        network.memory.expected_input = Recording(x)
        with warnings.catch_warnings():
            # validation has chosen the order, whatever frequencies it loses
            warnings.filterwarnings("ignore", "The expected input reaches")
            to_spiking(network, scale, memories=memories, hold=hold)
        spiking.hold_, spiking.is_spiking_ = hold, True
        return spiking

    def run_on(self, target: str, X: ArrayLike, **options: Any) -> np.ndarray:
        """
        Predict with the network on a target.

        Targets that run series side by side (``"jax"``, ``"norse"``, ``"spikingjelly"``)
        start each with an empty memory. On the others one series follows another, after
        a pause at the mean of the training data in which the memory forgets the last one.

        Parameters
        ----------
        target : {"core", "jax", "dl", "ocl", "loihi", "norse", "spikingjelly"}
            See `lmu_nengo.targets`.
        X : as for `fit`
            Series.
        **options
            For the target's simulator.

        Returns
        -------
        predictions : ndarray
            As `predict` gives them.
        """
        check_is_fitted(self)
        check_choice(target, targets.NAMES, "target", obj=type(self))
        return self._predictions(check_series(self, X, reset=False), target, options)

    def _inputs(self, series):
        """What the memory gets of series."""
        return series

    def _simulated(self, series, target=None, options=None):
        """Outputs (n, n_steps, size_out) of the network on a target."""
        if target is None:
            target = "jax" if is_jax_installed() else "core"
        options = {"seed": self.random_, **(options or {})}
        network, hold = self.network_, self.hold_
        n, n_steps = series.x.shape[:2]
        make = targets.load(target).Simulator
        read = slice(hold // 2, None)
        if target in BATCHED:
            own, pause = BATCHED[target]
            frames = -(-pause // hold)
            x = np.repeat(series.padded(n_steps + frames, self.mean_), hold, axis=1)
            outputs = []
            for i in range(0, n, AT_A_TIME):
                inputs = {network.input: x[i : i + AT_A_TIME]}
                with make(network, dt=DT, inputs=inputs, **own, **options) as sim:
                    sim.run(x.shape[1] * DT)
                outputs.append(np.asarray(sim.data[network.probe]))
            outputs = np.concatenate(outputs).reshape(n, n_steps + frames, hold, -1)
            return outputs[:, frames:, read].mean(axis=2)
        frames = int(np.ceil(FORGOTTEN * self.theta_ / self.dt))
        x = series.padded(n_steps + frames, self.mean_).reshape(-1, len(self.mean_))
        before, network.input.output = (
            network.input.output,
            nengo.processes.PresentInput(x, hold * DT),
        )
        try:
            with make(network, dt=DT, **options) as sim:
                sim.run(len(x) * hold * DT)
        finally:
            network.input.output = before
        outputs = sim.data[network.probe].reshape(n, n_steps + frames, hold, -1)
        return outputs[:, frames:, read].mean(axis=2)
