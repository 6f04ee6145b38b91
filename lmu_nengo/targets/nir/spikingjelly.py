"""SpikingJelly as a target, by way of NIR."""

from lmu_nengo.targets.base import need
from lmu_nengo.targets.nir.preparation import check, prepare
from lmu_nengo.targets.nir.simulator import NirTarget

__all__ = ["INSTALL", "Simulator", "check", "make_module", "prepare"]

INSTALL = 'pip install "lmu-nengo[spikingjelly]"'


def make_module(graph, dt, dtype="float64"):
    """
    SpikingJelly's module for a NIR graph.

    Parameters
    ----------
    graph : nir.NIRGraph
        Flat; parameters of a ``CubaLIF`` are the same for all its neurons.
    dt : float
        Step in seconds.
    dtype : {"float32", "float64"}
        Precision. SpikingJelly's own default is 32 bits.

    Returns
    -------
    module : torch.nn.Module
        ``module(x, state)`` gives output and state.
    """
    exchange = need("spikingjelly.activation_based.nir_exchange", "spikingjelly")
    torch = need("torch", "spikingjelly")
    return exchange.import_from_nir(graph, dt=dt, dtype=getattr(torch, dtype))


class Simulator(NirTarget):
    """The neurons run in SpikingJelly; see `NirTarget` for the arguments."""

    name = "spikingjelly"
    needs = ("nir", "spikingjelly")
    make_module = staticmethod(make_module)
