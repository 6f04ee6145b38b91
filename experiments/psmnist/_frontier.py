"""The network of the experiment ``spiking_frontier``: memory, hidden layer and read-out."""

import time
from typing import NamedTuple

import nengo
import numpy as np
from rich.progress import track

import lmu_nengo
from experiments._lib.command_line import console
from experiments.psmnist._pairs import IntegrateAndFire, Pairs, register_in_engine
from experiments.psmnist._readout import train
from lmu_nengo.conversion import SpikeCounter

DT = 0.001
N_EXPECTED = 300  # training digits that the memory is made for
FLOOR = 0.01  # of the sensitivity: share of the mean that every coefficient has
BATCH = 200


class Preset(NamedTuple):
    """
    Settings, chosen on held-out training digits with permutation seeds from 100 up.

    Attributes
    ----------
    spikes : float
        Spikes of the memory that a digit is to cost; 0 for an exact memory without neurons.
    order : int
        Order of the memory.
    n_hidden : int
        Neurons in the hidden layer.
    epochs, batch : int
        Passes over the training digits; digits in a batch.
    push : float
        Distance of the adversarial moves, in units of a white pixel.
    dropout : float
        Probability that a hidden neuron is left out in training.
    steps : int
        Steps of 1 ms for which a pixel is shown.
    listening : int
        Steps after the last pixel in which the hidden layer fires.
    """

    spikes: float
    order: int
    n_hidden: int = 1024
    epochs: int = 80
    batch: int = 200
    push: float = 0.8
    dropout: float = 0.4
    steps: int = 5
    listening: int = 20

    def n_steps(self, n_pixels):
        """Steps that a digit takes, of which the window holds all."""
        return n_pixels * self.steps + self.listening


def responses(preset, n_pixels):
    """
    Responses of the output of an exact memory to each pixel, once the digit is over.

    Parameters
    ----------
    preset : Preset
        The network.
    n_pixels : int
        Pixels in a digit.

    Returns
    -------
    responses : ndarray of shape (listening, n_pixels, order)
        The coefficients of a digit ``x`` are ``x @ responses[i]`` in step ``i`` of those in
        which the hidden layer fires.
    """
    system = lmu_nengo.signal.state_space(preset.n_steps(n_pixels) * DT, preset.order)
    Ad, Bd = lmu_nengo.signal.discretize(*system, DT)
    pixel, later = np.zeros_like(Bd), np.eye(len(Ad))
    for _ in range(preset.steps):
        pixel = Ad @ pixel + Bd
    response, per_pixel = [pixel[:, 0]], np.linalg.matrix_power(Ad, preset.steps)
    for _ in range(n_pixels - 1):
        response.append(per_pixel @ response[-1])
    response, found = np.array(response[::-1]), []
    for i in range(preset.listening):
        if i or not preset.spikes:  # neurons are one step late
            later = Ad @ later
        found.append(response @ later.T)
    return np.array(found)


class Network:
    """
    A spiking network that reads digits.

    Parameters
    ----------
    preset : Preset
        Settings.
    x : ndarray of shape (n_digits, n_pixels)
        Training digits, less the mean of each pixel.
    y : ndarray of shape (n_digits,)
        Their labels.
    seed : int
        Seed of weights and training.
    """

    def __init__(self, preset, x, y, seed):
        self.preset, self.n_pixels = preset, x.shape[1]
        self.responses = responses(preset, self.n_pixels)
        self.response = self.responses.mean(axis=0)
        self.readout = train(x, y, self.response, preset, seed)
        realization = lmu_nengo.Linear()
        if preset.spikes:
            expected = self._shown(x[:N_EXPECTED])[:, :, 0]
            realization = Pairs(preset.spikes, expected, self._worth(x), counted=True)
        with nengo.Network(seed=seed, label="memory") as self.reader:
            self.pixel = nengo.Node([0], label="pixel")
            self.memory = lmu_nengo.LegendreMemory(
                preset.n_steps(self.n_pixels) * DT, preset.order, realization=realization
            )
            nengo.Connection(self.pixel, self.memory.input, synapse=None)
            self.coefficients = nengo.Probe(self.memory.output, label="coefficients")
        self._make_listener(x, seed)
        self.counters = [
            SpikeCounter(part, per_neuron=False) for part in (self.reader, self.listener)
        ]

    def _worth(self, x):
        """What errors of the coefficients cost."""
        m = x @ self.response
        sensitivity = self.readout.sensitivity(m)
        variances = m.var(axis=0)
        mean = np.mean(np.diag(sensitivity) * variances)
        return sensitivity + FLOOR * mean * np.diag(1 / variances)

    def _shown(self, x):
        """Inputs of shape (n_digits, n_steps, 1): each pixel for its steps, then none."""
        shown = np.repeat(x, self.preset.steps, axis=1)
        return np.pad(shown, ((0, 0), (0, self.preset.listening)))[:, :, None]

    def _make_listener(self, x, seed):
        """Make the hidden layer, silent until the last pixel is over, and the read-out."""
        preset, readout = self.preset, self.readout
        n, n_hidden = preset.listening, preset.n_hidden
        # the highest activities are a spike in each step
        highest = np.quantile(readout.activities(x[:5000] @ self.response), 0.9995)
        self.spikes_per_unit = n / highest
        current = self.spikes_per_unit / (n * DT)
        connect = nengo.Connection
        neuron_type = IntegrateAndFire(
            min_voltage=0, initial_state={"voltage": np.zeros(n_hidden)}
        )
        with nengo.Network(seed=seed, label="hidden layer") as self.listener:
            self.heard = nengo.Node(np.zeros(preset.order), label="coefficients")
            one = nengo.Node([1], label="one")
            self.hidden = nengo.Ensemble(
                n_hidden,
                1,
                neuron_type=neuron_type,
                gain=np.ones(n_hidden),
                # half a spike more: counts are rounded, not rounded down
                bias=current * readout.bias + 0.5 / (n * DT),
                label="hidden",
            )
            neurons = self.hidden.neurons
            weights = current * readout.weights.T
            connect(self.heard, neurons, transform=weights, synapse=None)
            digit = nengo.Node(size_in=10, label="digit")
            weights = readout.out_weights.T * DT / self.spikes_per_unit
            connect(neurons, digit, transform=weights, synapse=None)
            connect(one, digit, transform=readout.out_bias[:, None] / n, synapse=None)
            connect(digit, digit, synapse=0)  # the sum over all steps
            self.output = nengo.Probe(digit, label="output")

    def run(self, x, batch=None):
        """
        Show digits, each from a silent memory on.

        The hidden layer is silent until the last pixel is over and nothing leads back from
        it, so that the memory is run first, and the hidden layer on what the memory gives
        it in the steps after the last pixel. An exact memory is applied to the whole digit
        at once.

        Parameters
        ----------
        x : ndarray of shape (n_digits, n_pixels)
            Digits, less the mean of each pixel over the training digits.
        batch : int, optional
            Digits that run side by side.

        Returns
        -------
        output : ndarray of shape (n_digits, 10)
            Output in the last step.
        coefficients : ndarray of shape (n_digits, order)
            Coefficients in the last step.
        spikes : list of ndarray of shape (n_digits,)
            Spikes of the memory and of the hidden layer.
        """
        import jax

        from lmu_nengo import engine

        register_in_engine()
        preset, batch = self.preset, min(batch or BATCH, len(x))
        options = {"minibatch_size": batch, "progress_bar": False}
        found = []
        with (
            jax.default_matmul_precision("highest"),
            engine.Simulator(self.reader, **options) as reader,
            engine.Simulator(self.listener, **options) as listener,
        ):
            for i in track(range(0, len(x), batch), "digits", console=console):
                part = x[i : i + batch]
                part = np.pad(part, ((0, batch - len(part)), (0, 0)))
                heard = self._heard(reader, part)
                listener.reset()
                listener.run_steps(preset.listening, data={self.heard: heard})
                output = np.array(listener.data[self.output])[:, -1]
                spikes = [
                    sum(
                        counts.sum(axis=-1)
                        for counts in counter.counts(sim.data, DT).values()
                    )
                    + np.zeros(batch)
                    for counter, sim in zip(self.counters, (reader, listener), strict=True)
                ]
                found.append((output, heard[:, -1], *spikes))
        output, coefficients, *spikes = (
            np.concatenate(part)[: len(x)] for part in zip(*found, strict=True)
        )
        return output, coefficients, spikes

    def _heard(self, reader, x):
        """Coefficients (n_digits, listening, order) in the steps after the last pixel."""
        if not self.preset.spikes:
            return np.einsum("ip,lpo->ilo", x, self.responses, optimize=True)
        before, after = np.split(self._shown(x), [len(x[0]) * self.preset.steps], axis=1)
        reader.reset()
        reader.run_steps(before.shape[1], data={self.pixel: before})
        reader.clear_probes()
        reader.run_steps(self.preset.listening, data={self.pixel: after})
        return np.array(reader.data[self.coefficients])


def count_neurons(ensemble):
    """Neurons of an ensemble, in which one may stand for several."""
    return int(np.broadcast_to(ensemble.neuron_type.most, ensemble.n_neurons).sum())


def operations(network, figures):
    """
    Operations that a digit costs, as NeuroBench counts them.

    Parameters
    ----------
    network : Network
        The network.
    figures : dict of {str: float}
        Spikes a digit, ``memory_spikes`` and ``hidden_spikes``.

    Returns
    -------
    operations : dict of {str: float}
        ``accumulates`` of the spikes: each spike of the memory reaches all dimensions of
        the state and the other population of its pair, each of the hidden layer the ten
        outputs. ``rate_multiply_accumulates`` of the same network with an exact memory,
        one step a pixel, and rate neurons.
    """
    order, n_hidden = network.readout.weights.shape
    state_d = sum(n.size_in for n in network.memory.nodes if n.label == "state")
    return {
        "accumulates": figures["memory_spikes"] * (state_d + 1)
        + 10 * figures["hidden_spikes"],
        "rate_multiply_accumulates": network.n_pixels * order * (order + 1)
        + n_hidden * (order + 10),
    }


def evaluate(preset, digits, permutation_seed, batch=None):
    """
    Build and train a network, and measure its accuracy and its spikes.

    Parameters
    ----------
    preset : Preset
        Settings.
    digits : lmu_nengo.datasets.Digits
        Digits, row by row.
    permutation_seed : int
        Seed of the order of the pixels, and of everything else.
    batch : int, optional
        Digits that run side by side.

    Returns
    -------
    figures : dict of {str: float}
        What was measured.
    """
    order = np.random.RandomState(permutation_seed).permutation(digits.x_train.shape[1])
    # what all digits have in common need not be held, which saves spikes
    mean = digits.x_train.mean(axis=0)
    x, x_test = ((part - mean)[:, order] for part in (digits.x_train, digits.x_test))
    network = Network(preset, x, digits.y_train, permutation_seed)
    exact = network.readout.outputs(x_test @ network.response).argmax(axis=1)
    started = time.perf_counter()
    output, coefficients, spikes = network.run(x_test, batch)
    seconds = time.perf_counter() - started
    answers = output.argmax(axis=1)
    m = x_test @ network.responses[-1]
    errors = (coefficients - m) / m.std(axis=0)
    figures = {
        "accuracy": 100 * np.mean(answers == digits.y_test),
        "accuracy_exact_memory": 100 * np.mean(exact == digits.y_test),
        "error_over_spread": np.sqrt(np.mean(errors**2)),
        "digits": len(x_test),
        "seconds_per_digit": seconds / len(x_test),
        "listening": preset.listening,
        "milliseconds": 1000 * DT * preset.n_steps(x.shape[1]),
    }
    parts = network.reader, network.listener
    for name, part, count in zip(("memory", "hidden"), parts, spikes, strict=True):
        figures[f"{name}_neurons"] = sum(map(count_neurons, part.all_ensembles))
        figures[f"{name}_spikes"] = count.mean()
    figures["spikes"] = figures["memory_spikes"] + figures["hidden_spikes"]
    figures |= operations(network, figures)
    return {name: float(value) for name, value in figures.items()}
