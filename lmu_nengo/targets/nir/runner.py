"""Runs NIR graphs in packages made of torch modules."""

import numpy as np

from lmu_nengo._validation import check_positive
from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.reference import Result, check_input, plan


class Runner:
    """
    Steps a graph in another package, and keeps all spikes.

    Parameters
    ----------
    module : torch.nn.Module
        Called as ``module(x, state)``, it gives the output and the next state; each node
        is an attribute of it.
    names : list of str
        Nodes that spike.
    dtype : {"float32", "float64"}
        Precision of the module.
    """

    def __init__(self, module, names, dtype):
        self.module, self.names = module, names
        self.state, self.fired = None, {}
        self.torch, self.dtype = need("torch", "norse"), dtype
        for name in names:
            getattr(module, name).register_forward_hook(self._hook(name))

    def _hook(self, name):
        def keep(module, inputs, outputs):
            self.fired[name] = outputs[0]

        return keep

    def run(self, x):
        """
        Go some steps on from the present state.

        Parameters
        ----------
        x : ndarray of shape (n, n_steps, size)
            Inputs, side by side.

        Returns
        -------
        output : ndarray of shape (n, n_steps, size)
            What the graph gave out.
        spikes : dict of {str: ndarray of bool of shape (n, n_steps, n_neurons)}
            By node.
        """
        torch = self.torch
        outputs, spikes = [], {name: [] for name in self.names}
        x = torch.as_tensor(np.ascontiguousarray(x, dtype=self.dtype))
        with torch.no_grad():
            for t in range(x.shape[1]):
                output, self.state = self.module(x[:, t], self.state)
                outputs.append(output.numpy().copy())
                for name in self.names:
                    spikes[name].append(self.fired[name].numpy() != 0)
        stacked = {name: np.stack(own, axis=1) for name, own in spikes.items()}
        return np.stack(outputs, axis=1), stacked


def run_graph(graph, x, make_module, dt=0.001, dtype="float64") -> Result:
    """
    Run a graph in another package, to be compared with `simulate`.

    Parameters
    ----------
    graph : nir.NIRGraph
        See `lmu_nengo.targets.nir.reference.plan`.
    x : array_like of shape (n_steps, size) or (n, n_steps, size)
        Input, or several that are run side by side.
    make_module : callable
        That of `lmu_nengo.targets.nir.norse` or ``.spikingjelly``, or any that
        makes a torch module as for `Runner` of a graph, dt and dtype.
    dt : float
        Step in seconds.
    dtype : {"float32", "float64"}
        Precision.

    Returns
    -------
    result : Result
        Output and spikes.

    Raises
    ------
    ValidationError
        If the graph or an argument does not fit, or the package is not installed.
    """
    checked, dt = plan(graph), check_positive(dt, "dt")
    x = check_input(checked, x)
    runner = Runner(make_module(graph, dt, dtype), checked.neurons, dtype)
    output, spikes = runner.run(x if x.ndim == 3 else x[None])
    if x.ndim == 2:
        output, spikes = output[0], {name: own[0] for name, own in spikes.items()}
    return Result(output, spikes)
