"""Norse as a target, by way of NIR."""

import warnings

import numpy as np

from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.preparation import check, prepare
from lmu_nengo.targets.nir.reference import plan
from lmu_nengo.targets.nir.simulator import NirTarget

__all__ = ["INSTALL", "Simulator", "check", "make_module", "prepare"]

INSTALL = 'pip install "lmu-nengo[norse]"'


def make_module(graph, dt, dtype="float64"):
    """
    Norse's module for a NIR graph.

    Parameters
    ----------
    graph : nir.NIRGraph
        Flat, with resets to zero: Norse does not read ``v_reset``.
    dt : float
        Step in seconds.
    dtype : {"float32", "float64"}
        Precision. Norse itself imports with 32 bits.

    Returns
    -------
    module : torch.nn.Module
        ``module(x, state)`` gives output and state.
    """
    nir, norse, torch = (need(m, "norse") for m in ("nir", "norse.torch", "torch"))
    # nirtorch follows edges in their order, and gives out the node that it came to last
    leads_back = {name for names in plan(graph).back.values() for name in names}
    edges = sorted(graph.edges, key=lambda edge: edge[1] not in leads_back)
    graph = nir.NIRGraph(graph.nodes, edges, type_check=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "nirtorch.load is being deprecated")
        module = norse.from_nir(graph, dt=dt)
    module.to(getattr(torch, dtype))
    if dtype == "float64":  # neurons' parameters are no parameters to torch
        for name, node in graph.nodes.items():
            if type(node).__name__ == "CubaLIF":
                to_double(torch, getattr(module, name), node)
    return module


def to_double(torch, module, node):
    """Give Norse's CubaLIF the parameters of the file in double precision."""

    def double(values):
        return torch.as_tensor(np.asarray(values, dtype=np.float64))

    module.w_in, module.r = double(node.w_in), double(node.r)
    leak = double(node.v_leak)
    module.synapse.p = module.synapse.p._replace(
        tau_mem_inv=1 / double(node.tau_syn), v_leak=leak
    )
    module.lif.p = module.lif.p._replace(
        tau_mem_inv=1 / double(node.tau_mem), v_leak=leak, v_th=double(node.v_threshold)
    )


class Simulator(NirTarget):
    """The neurons run in Norse; see `NirTarget` for the arguments."""

    name = "norse"
    needs = ("nir", "norse")
    make_module = staticmethod(make_module)
