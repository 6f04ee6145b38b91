"""Forecasters as PyTorch modules, which NeuroBench measures: ours, and its two baselines.

The echo state network and the LSTM are written anew from the hyperparameters that
NeuroBench's examples publish; they are not part of its package.
"""

import numpy as np
import torch
from torch import nn

from experiments.mackey_glass import _window_forecaster
from experiments.mackey_glass._chaos import PER_LYAPUNOV_TIME
from experiments.mackey_glass._window_forecaster import WASHOUT, regress

REAL = torch.float64  # as in NeuroBench's examples
WARM_UP = round(0.6 * PER_LYAPUNOV_TIME)  # points, of the echo state network
# steps of the spiking memory for each forecast, and what a spike changes its state by
TICKS, QUANTUM = 1024, 1 / 256
# tau: reservoir, scale of bias and input, connection probability, spectral radius,
# leakage, ridge; found by NeuroBench's authors in a random search
ECHO_STATE = {
    17: (966, 0.9, 0.78, 0.97, 1.19, 0.69, 1e-07),
    18: (913, 0.98, 1.0, 0.43, 1.08, 0.92, 1e-09),
    19: (836, 0.45, 0.89, 0.64, 1.25, 0.77, 1e-06),
    20: (656, 0.29, 0.83, 0.06, 1.07, 0.86, 1e-08),
    21: (547, 0.37, 0.92, 0.92, 1.08, 0.45, 1e-08),
    22: (661, 0.79, 0.92, 0.55, 1.17, 0.87, 1e-07),
    23: (577, 0.69, 0.93, 0.02, 1.01, 0.54, 1e-08),
    24: (694, 0.85, 0.98, 0.51, 1.13, 0.76, 1e-05),
    25: (831, 0.87, 0.93, 0.49, 1.21, 1.0, 0.0001),
    26: (522, 0.91, 0.95, 0.59, 1.22, 0.58, 1e-06),
    27: (952, 0.99, 0.65, 0.6, 1.19, 0.78, 1e-06),
    28: (838, 0.82, 0.83, 0.37, 1.21, 0.81, 1e-06),
    29: (728, 0.99, 0.62, 0.48, 1.23, 0.9, 1e-05),
    30: (577, 0.69, 0.93, 0.02, 1.01, 0.54, 1e-08),
}
# of the LSTM, chosen by NeuroBench's authors for tau = 17
LAGS, HIDDEN, EPOCHS, RATE, DECAY = 50, 40, 200, 0.005, 0.001


class ClosedLoop(nn.Module):
    """
    A forecaster whose input is the series in the first step, then its own forecasts.

    `begin` gives the state after the training data, and `step` the next value.
    """

    def begin(self):
        """Set the state to that after the training data."""
        raise NotImplementedError

    def step(self, value):
        """Forecast the value after one of shape (1, 1)."""
        raise NotImplementedError

    def forecast(self, first, n_steps):
        """Do the same as `Forecaster.forecast` of `_window_forecaster`."""
        batch = torch.full((n_steps, 1, 1), first, dtype=REAL)
        return self(batch).numpy().ravel()

    def forward(self, batch):
        """Forecast as many values as the batch has (n_steps, 1, 1), from its first."""
        self.begin()
        value, values = batch[0], []
        for _ in batch:
            value = self.step(value)
            values.append(value)
        return torch.cat(values)


def linear(weights, bias=None):
    """Make a layer of given weights (n_out, n_in)."""
    weights = torch.as_tensor(weights, dtype=REAL)
    layer = nn.Linear(*weights.shape[::-1], bias=bias is not None, dtype=REAL)
    layer.weight.data = weights.clone()
    if bias is not None:
        layer.bias.data = torch.as_tensor(bias, dtype=REAL).reshape(-1).clone()
    return layer.requires_grad_(False)


class WindowMemory(ClosedLoop):
    """
    A `experiments.mackey_glass._window_forecaster.Forecaster`.

    Its weights also standardize the series, and turn the forecast back into values.

    Parameters
    ----------
    made : Forecaster
        What was fitted.
    """

    def __init__(self, made):
        super().__init__()
        A, B, W, b, c, mean, deviation, memory = made
        order = len(A)
        share = B / deviation
        self.memory = linear(np.column_stack([A, share]), -share * mean)
        self.hidden = linear(W, b)
        readout = np.concatenate([c[1 : order + 1] * deviation, c[order + 1 :]])
        readout[order] += 1
        readout[order + 1 :] *= deviation
        constant = mean + deviation * c[0] - readout[order] * mean
        self.readout = linear(readout[None], [constant])
        self.register_buffer("state", torch.as_tensor(memory, dtype=REAL)[None])
        self.start = self.state.clone()

    def begin(self):
        """Set the memory to its state after the training data."""
        self.state = self.start.clone()

    def step(self, value):
        """Forecast the value after one of shape (1, 1)."""
        self.state = self.memory(torch.cat([self.state, value], dim=1))
        hidden = torch.tanh(self.hidden(self.state))
        return self.readout(torch.cat([self.state, value, hidden], dim=1))


class SpikingWindowMemory(ClosedLoop):
    """
    The same with the memory in spikes, by which all else knows its state.

    Each dimension is a pair of integrate-and-fire neurons, one for positive and one for
    negative changes, that share their voltage. A spike changes what others know of the
    state by `QUANTUM`, for good: synapses do not leak. Between two forecasts the neurons
    fire in `TICKS` steps, at most once in each, with a constant current; what is left of
    the voltage stays. Input, hidden neurons and forecast are values. The read-out is fitted
    to the states that the spikes give for the training data.

    Parameters
    ----------
    made : Forecaster
        The fitted forecaster without spikes, whose memory and neurons are used.
    series : ndarray of shape (n_points,)
        Its training data.
    ridge : float
        As for `experiments.mackey_glass._window_forecaster.regress`.

    Attributes
    ----------
    by_step : bool
        Whether each step is computed, for NeuroBench to see each spike.
    """

    by_step = False

    def __init__(self, made, series, ridge):
        super().__init__()
        order = len(made.A)
        self.mean, self.deviation = made.mean, made.deviation
        # in spikes for each forecast: the change of the state
        self.recurrent = linear(made.A - np.eye(order))
        self.inputs = linear(made.B[:, None] / QUANTUM)
        self.current = self.voltage = torch.zeros((1, order), dtype=REAL)
        values = torch.as_tensor((series - made.mean) / made.deviation)[:, None, None]
        spikes = torch.cat([self.fire(u).sum(0, True) for u in values])
        states = QUANTUM * spikes.cumsum(0)
        seen = torch.cat([states, values[:, 0]], dim=1)[WASHOUT:-1].numpy()
        change = np.diff(values.numpy().ravel()[WASHOUT:])
        c = torch.as_tensor(regress(seen, made.W, made.b, change, ridge))
        self.hidden = linear(QUANTUM * made.W)
        self.from_spikes = linear(QUANTUM * c[None, 1 : order + 1])
        c[order + 1] += 1
        self.readout = linear(c[None, order + 1 :])
        # what spikes have added up to, in the neurons and in the read-out
        driven = spikes.sum(0) @ self.hidden.weight.T + torch.as_tensor(made.b)
        read = spikes.sum(0) @ self.from_spikes.weight.T + c[0]
        self.start = self.current, self.voltage, driven[None], read[None]

    def fire(self, value):
        """
        Drive the memory by a value.

        Returns
        -------
        spikes : torch.Tensor of shape (TICKS, order) or (1, order)
            1 or -1 in each step; or, unless `by_step`, their sum: the same effect.
        """
        drive = self.current + self.inputs(value)
        n = TICKS if self.by_step else 1
        ticks = torch.arange(n + 1, dtype=REAL)[:, None] / n
        # the integral of the current; a pair fires when it is half a spike ahead
        spikes = torch.round(self.voltage + ticks * drive)
        self.voltage = self.voltage + drive - spikes[-1]
        spikes = spikes.diff(dim=0)  # the voltage at the beginning rounds to none
        self.current = self.current + self.recurrent(spikes).sum(0, keepdim=True)
        return spikes

    def begin(self):
        """Set all states to those after the training data."""
        self.current, self.voltage, self.driven, self.read = self.start

    def step(self, value):
        """Forecast the value after one of shape (1, 1)."""
        u = (value - self.mean) / self.deviation
        spikes = self.fire(u)
        self.driven = self.driven + self.hidden(spikes).sum(0, keepdim=True)
        self.read = self.read + self.from_spikes(spikes).sum(0, keepdim=True)
        features = torch.cat([u, torch.tanh(self.driven)], dim=1)
        return self.mean + self.deviation * (self.readout(features) + self.read)


def fit_in_spikes(series, window, seed, **settings):
    """Fit a `SpikingWindowMemory`: the arguments of `_window_forecaster.fit`."""
    settings = _window_forecaster.IN_SPIKES | settings
    made = _window_forecaster.fit(series, window, seed, **settings)
    return SpikingWindowMemory(made, series, settings["ridge"])


class EchoState(ClosedLoop):
    """
    NeuroBench's echo state network, fitted by ridge regression.

    As in its example, the recurrent weights are divided by the magnitude of the first
    eigenvalue that LAPACK returns.

    Parameters
    ----------
    series : torch.Tensor of shape (n_points, 1)
        Training data.
    target : torch.Tensor of shape (n_points, 1)
        The values that follow.
    settings : tuple
        A value of `ECHO_STATE`.
    seed : int
        Seed of the weights.
    """

    def __init__(self, series, target, settings, seed):
        super().__init__()
        size, bias, scale, share, radius, self.leakage, ridge = settings
        torch.manual_seed(seed)
        inputs = torch.rand((size, 2), dtype=REAL) - 0.5
        recurrent = (torch.rand((size, size), dtype=REAL) <= share).to(REAL)
        there = recurrent > 0
        recurrent[there] = torch.normal(0.0, 1.0, size=(int(there.sum()),), dtype=REAL)
        recurrent *= radius / torch.linalg.eigvals(recurrent)[0].abs()
        self.inputs = linear(inputs * torch.tensor([bias, scale], dtype=REAL))
        self.recurrent = linear(recurrent)
        self.state = torch.zeros((1, size), dtype=REAL)
        features = torch.cat([self.advance(value[None]) for value in series])
        features, target = features[WARM_UP:], target[WARM_UP:]
        gram = features.T @ features + ridge * torch.eye(features.shape[1], dtype=REAL)
        # least squares without what rounding leaves of small eigenvalues
        values, vectors = torch.linalg.eigh(gram)
        used = values > torch.finfo(REAL).eps * len(values) * values[-1]
        along = (vectors.T @ (features.T @ target))[used] / values[used, None]
        self.readout = linear((vectors[:, used] @ along).T)
        self.start = self.state

    def advance(self, value):
        """Update the reservoir; return all that is read."""
        value = torch.cat([torch.ones((1, 1), dtype=REAL), value], dim=1)
        driven = torch.tanh(self.recurrent(self.state) + self.inputs(value))
        self.state = (1 - self.leakage) * self.state + self.leakage * driven
        return torch.cat([value, self.state], dim=1)

    def begin(self):
        """Set the reservoir to its state after the training data."""
        self.state = self.start

    def step(self, value):
        """Forecast the value after one of shape (1, 1)."""
        return self.readout(self.advance(value))


class LongShortTerm(ClosedLoop):
    """
    NeuroBench's LSTM: the last 50 values, normalized; 40 cells; ReLU; a read-out.

    Parameters
    ----------
    weights : dict of {str: torch.Tensor}
        One network's part of what `train_lstms` returned.
    series : torch.Tensor of shape (n_points, 1)
        Training data, which set the state.
    """

    def __init__(self, weights, series):
        super().__init__()
        self.norm = nn.LayerNorm(LAGS, dtype=REAL)
        self.cell = nn.LSTMCell(LAGS, HIDDEN, dtype=REAL)
        self.relu = nn.ReLU()
        self.readout = nn.Linear(HIDDEN, 1, dtype=REAL)
        for name, size in (("lags", LAGS), ("h", HIDDEN), ("c", HIDDEN)):
            self.register_buffer(name, torch.zeros((1, size), dtype=REAL))
        self.load_state_dict(weights, strict=False)
        self.requires_grad_(False)
        for value in series:
            self.step(value[None])
        self.start = self.lags, self.h, self.c

    def begin(self):
        """Set lags and state to those after the training data."""
        self.lags, self.h, self.c = self.start

    def step(self, value):
        """Forecast the value after one of shape (1, 1)."""
        self.lags = torch.cat([self.lags[:, 1:], value], dim=1)
        self.h, self.c = self.cell(self.norm(self.lags), (self.h, self.c))
        return self.readout(self.relu(self.h))


def train_lstms(series, seeds, epochs=EPOCHS):
    """
    Train one LSTM for each series, all at once: Adam, the whole series in each epoch.

    It is trained with JAX, several times as fast as PyTorch's loop over the steps.

    Parameters
    ----------
    series : torch.Tensor of shape (n_networks, n_points + 1)
        Training data and, at the end, their last target.
    seeds : list of int
        Seed of each network's initial weights, which are PyTorch's.
    epochs : int
        Updates.

    Returns
    -------
    weights : list of dict of {str: torch.Tensor}
        For `LongShortTerm`, by network.
    losses : ndarray of shape (epochs, n_networks)
        Mean square error of each network in each epoch.
    """
    import jax
    import jax.numpy as jnp

    begun = []
    for seed in seeds:
        torch.manual_seed(seed)
        modules = {"cell": nn.LSTMCell(LAGS, HIDDEN), "readout": nn.Linear(HIDDEN, 1)}
        modules["norm"] = nn.LayerNorm(LAGS)
        begun.append(
            {
                f"{name}.{part}": value.detach().double().numpy()
                for name, module in modules.items()
                for part, value in module.named_parameters()
            }
        )
    lags = nn.functional.pad(series[:, :-1], (LAGS - 1, 0)).unfold(1, LAGS, 1)
    lags = nn.functional.layer_norm(lags, (LAGS,))

    def loss(weights, lags, target):
        def step(state, driven):
            h, c = state
            i, f, g, o = jnp.split(driven + weights["cell.weight_hh"] @ h, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        x = lags * weights["norm.weight"] + weights["norm.bias"]
        bias = weights["cell.bias_ih"] + weights["cell.bias_hh"]
        zero = jnp.zeros(HIDDEN)
        _, h = jax.lax.scan(step, (zero, zero), x @ weights["cell.weight_ih"].T + bias)
        read = jax.nn.relu(h) @ weights["readout.weight"][0] + weights["readout.bias"]
        return jnp.mean((read - target) ** 2)

    @jax.jit
    def update(k, weights, means, squares, lags, target):
        values, slopes = jax.vmap(jax.value_and_grad(loss))(weights, lags, target)
        after = {}
        for name, w in weights.items():  # Adam, with the decay in the gradient
            slope = slopes[name] + DECAY * w
            means[name] = 0.9 * means[name] + 0.1 * slope
            squares[name] = 0.999 * squares[name] + 0.001 * slope**2
            size = jnp.sqrt(squares[name] / (1 - 0.999**k)) + 1e-8
            after[name] = w - RATE / (1 - 0.9**k) * means[name] / size
        return values, after, means, squares

    with jax.enable_x64(True):
        weights = {k: jnp.stack([each[k] for each in begun]) for k in begun[0]}
        means = {k: jnp.zeros_like(v) for k, v in weights.items()}
        data = jnp.asarray(lags.numpy()), jnp.asarray(series[:, 1:].numpy())
        state, losses = (weights, means, means), []
        for k in range(1, epochs + 1):
            values, *state = update(float(k), *state, *data)
            losses.append(np.asarray(values))
        trained = {k: torch.tensor(np.asarray(v)) for k, v in state[0].items()}
    each = [{k: v[i] for k, v in trained.items()} for i in range(len(series))]
    return each, np.array(losses)
