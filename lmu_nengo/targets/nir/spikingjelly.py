"""SpikingJelly as a target, through a NIR graph."""

from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.simulator import NirTarget


def make_module(graph, dt: float, dtype: str = "float64"):
    """
    Make SpikingJelly's module for a NIR graph.

    Parameters
    ----------
    graph : nir.NIRGraph
        Flat; all neurons of a ``CubaLIF`` have the same parameters.
    dt : float
        Step in seconds.
    dtype : {"float32", "float64"}
        Precision. SpikingJelly's own default is single precision.

    Returns
    -------
    module : torch.nn.Module
        ``module(x, state)`` returns output and state.
    """
    exchange = need("spikingjelly.activation_based.nir_exchange", "spikingjelly")
    torch = need("torch", "spikingjelly")
    return exchange.import_from_nir(graph, dt=dt, dtype=getattr(torch, dtype))


class Simulator(NirTarget):
    """Runs the neurons in SpikingJelly; see `NirTarget` for the arguments."""

    target = "spikingjelly"
    requires = ("nir", "spikingjelly")
    make_module = staticmethod(make_module)
