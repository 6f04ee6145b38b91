"""LSTM, GRU and simple RNN of PyTorch, and an LMU, for the same loop of training."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

import lmu_nengo
from experiments._lib.keras_models import units_for

N_GATES = {"lstm": 4, "gru": 3, "rnn": 1}
# what is searched: how recurrent layers start
STARTS = {
    "lmu": ("default",),
    "lstm": ("default", "chrono"),
    "gru": ("default", "chrono"),
    "rnn": ("default", "identity"),
}


class Recurrent(nn.Module):
    """
    One recurrent layer and a linear read-out of its last states.

    Parameters
    ----------
    kind : {"lstm", "gru", "rnn"}
        Type of layer.
    units : int
        Its size.
    task : experiments.baselines._tasks.Task
        For the sizes of input and output.
    start : {"default", "keras", "chrono", "identity"}
        "default": a Glorot input matrix and an orthogonal recurrent matrix for each gate by
        itself, and a forget bias of 1; "keras": the same for all gates as one matrix, as in
        Keras, which makes the recurrence of an LSTM half as strong; "chrono": gates whose
        time constants are spread over the sequence (Tallec and Ollivier 2018); "identity":
        rectified linear units that start as integrators (Le et al. 2015).
    """

    def __init__(self, kind, units, task, start="default"):
        super().__init__()
        options = {"nonlinearity": "relu"} if start == "identity" else {}
        make = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[kind]
        self.layer = make(task.input_d, units, batch_first=True, **options)
        self.read = nn.Linear(units, task.output_d)
        self.n_outputs = task.n_outputs
        layer = self.layer
        with torch.no_grad():
            nn.init.xavier_uniform_(self.read.weight)
            n_matrices = 1 if start == "keras" else N_GATES[kind]
            for matrix in layer.weight_ih_l0.chunk(n_matrices):
                nn.init.xavier_uniform_(matrix)
            for matrix in layer.weight_hh_l0.chunk(n_matrices):
                nn.init.orthogonal_(matrix)
            for bias in (layer.bias_ih_l0, layer.bias_hh_l0, self.read.bias):
                nn.init.zeros_(bias)
            if kind == "lstm":
                layer.bias_ih_l0[units : 2 * units] = 1  # input, forget, candidate, output
            if start == "chrono":
                bias = chrono(units, task.n_steps)
                if kind == "lstm":
                    layer.bias_ih_l0[: 2 * units] = torch.cat([-bias, bias])
                else:  # reset, update, candidate; an update gate of 1 keeps the state
                    layer.bias_ih_l0[units : 2 * units] = bias
            elif start == "identity":
                nn.init.eye_(layer.weight_hh_l0)
        if kind != "gru":  # in a GRU the reset gate tells the two biases apart
            layer.bias_hh_l0.requires_grad_(False)

    def forward(self, x):
        """Outputs (n, n_outputs, output_d) for ``x`` of shape (n, n_steps, input_d)."""
        return self.read(self.layer(x)[0][:, -self.n_outputs :])


def chrono(units, n_steps):
    """
    Biases of gates that forget: log(T - 1), T uniform from 2 to ``n_steps``.

    A gate of ``sigmoid(log(T - 1)) = 1 - 1 / T`` keeps a state for about T steps.
    """
    return torch.log(torch.empty(units).uniform_(1, n_steps - 1))


class WindowedLMU(nn.Module):
    """
    Memories, hidden layers and a linear read-out.

    The memory is computed for the last steps only, by its impulse response.

    Parameters
    ----------
    task : experiments.baselines._tasks.Task
        For all sizes.
    """

    def __init__(self, task):
        super().__init__()
        order, encoders, hidden = task.lmu
        n_memories = encoders or task.input_d
        self.encode = nn.Linear(task.input_d, encoders) if encoders else None
        sizes = n_memories * order, *hidden, task.output_d
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        after = [part for layer in layers for part in (layer, nn.ReLU())]
        self.after = nn.Sequential(*after[:-1])
        lags = memory_lags(task.n_steps, order, task.n_outputs)
        self.register_buffer("lags", torch.tensor(lags, dtype=torch.float32))

    def forward(self, x):
        """Outputs (n, n_outputs, output_d) for ``x`` of shape (n, n_steps, input_d)."""
        if self.encode is not None:
            x = torch.relu(self.encode(x))
        states = torch.tensordot(x, self.lags, ([1], [0]))  # n, channel, output, order
        return self.after(states.transpose(1, 2).flatten(2))


def memory_lags(n_steps, order, n_outputs):
    """
    What each step adds to the states of a Legendre memory in the last steps.

    Parameters
    ----------
    n_steps, order : int
        Steps of the window and of a sequence; order of the memory.
    n_outputs : int
        The last steps.

    Returns
    -------
    lags : ndarray of shape (n_steps, n_outputs, order)
        Normalized so that white noise gives each order the same variance.
    """
    system = lmu_nengo.signal.discretize(
        *lmu_nengo.signal.state_space(float(n_steps), order), dt=1.0
    )
    response = lmu_nengo.signal.impulse_response(*system, n_steps)
    response = response * np.sqrt(n_steps / (2 * np.arange(order) + 1))
    lags = np.zeros((n_steps, n_outputs, order))
    for i in range(n_outputs):
        end = n_steps - n_outputs + i + 1  # steps until this output
        lags[:end, i] = response[:end][::-1]
    return lags


def build(kind, task, start, seed):
    """
    Build a network of at most as many parameters as the LMU of a task.

    Parameters
    ----------
    kind : {"lmu", "lstm", "gru", "rnn"}
        Type of network.
    task : experiments.baselines._tasks.Task
        The task.
    start : str
        One of ``STARTS[kind]``.
    seed : int
        Seed of the weights.

    Returns
    -------
    network : torch.nn.Module
        The network.
    """
    torch.manual_seed(seed)
    lmu = WindowedLMU(task)
    if kind == "lmu":
        return lmu
    units = units_for(kind, count(lmu), task.input_d, task.output_d)
    return Recurrent(kind, units, task, start)


def count(network):
    """Number of trained parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
