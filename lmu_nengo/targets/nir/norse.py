"""Norse as a target, through a NIR graph; all that depends on the inside of Norse."""

import warnings

import numpy as np

from lmu_nengo.targets.base import need, without_modules
from lmu_nengo.targets.nir.reference import execution_plan
from lmu_nengo.targets.nir.simulator import NirTarget


def make_module(graph, dt: float, dtype: str = "float64"):
    """
    Make Norse's module for a NIR graph.

    Parameters
    ----------
    graph : nir.NIRGraph
        Flat, with resets to zero: Norse ignores ``v_reset``.
    dt : float
        Step in seconds.
    dtype : {"float32", "float64"}
        Precision. Norse itself imports graphs in single precision.

    Returns
    -------
    module : torch.nn.Module
        ``module(x, state)`` returns output and state.
    """
    nir, torch, norse = need("nir", "norse"), need("torch", "norse"), import_norse()
    # nirtorch follows edges in their order, and the node it reaches last is the output
    leads_back = {name for names in execution_plan(graph).back.values() for name in names}
    edges = sorted(graph.edges, key=lambda edge: edge[1] not in leads_back)
    graph = nir.NIRGraph(graph.nodes, edges, type_check=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "nirtorch.load is being deprecated")
        module = norse.from_nir(graph, dt=dt)
    module.to(getattr(torch, dtype))
    if dtype == "float64":  # torch does not know the neurons' parameters
        for name, node in graph.nodes.items():
            if type(node).__name__ == "CubaLIF":
                to_double(torch, getattr(module, name), node)
    return module


def to_double(torch, module, node):
    """Set the parameters of Norse's CubaLIF to those of the graph in double precision."""

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


def import_norse():
    """Import Norse without the TensorFlow that its TensorBoard writer would import."""
    with without_modules("tensorflow"):
        return need("norse.torch", "norse")


class Simulator(NirTarget):
    """Runs the neurons in Norse; see `NirTarget` for the arguments."""

    target = "norse"
    requires = ("nir",)

    @classmethod
    def import_backend(cls):
        """Import NIR and Norse."""
        super().import_backend()
        import_norse()

    make_module = staticmethod(make_module)
