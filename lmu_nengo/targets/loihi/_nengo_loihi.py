"""All that this package uses of nengo-loihi 1.1.0 beyond its public simulator."""

import sys
import warnings
from types import ModuleType

import nengo
import numpy as np

from lmu_nengo.targets.base import need, without_modules


def load():
    """
    Import nengo-loihi, and let it work with NumPy 2.

    Returns
    -------
    nengo_loihi : module
        The package, unmodified except for the NumPy that two of its modules use.
    """
    # nengo-loihi would tell NengoDL about neurons that no target uses
    unused = () if "nengo_dl" in sys.modules else ("nengo_dl", "tensorflow")
    with warnings.catch_warnings(), without_modules(*unused):
        # it warns about every newer Nengo; the tests cover this one
        warnings.filterwarnings("ignore", ".*has not been tested")
        nengo_loihi = need("nengo_loihi", "loihi")
    for name in ("block", "neurons"):
        module = sys.modules[f"nengo_loihi.{name}"]
        if not isinstance(module.np, EarlierNumpy) and int(np.__version__[0]) > 1:
            module.np = EarlierNumpy()
    return nengo_loihi


class EarlierNumpy(ModuleType):
    """NumPy whose ``array(..., copy=False)`` copies only if needed, as in NumPy 1."""

    def __init__(self):
        super().__init__("numpy")

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def array(*args, copy=True, **kwargs):
        """As `numpy.array` of NumPy 1."""
        return np.array(*args, copy=copy or None, **kwargs)


def is_asked_off_chip(network, ensemble):
    """Whether ``nengo_loihi.add_params`` was used to keep an ensemble off the chip."""
    if not hasattr(network.config[nengo.Ensemble], "on_chip"):
        return False
    return network.config[ensemble].on_chip is False


def blocks_of(simulator):
    """Blocks of neurons and axons that nengo-loihi's simulator has put on the chip."""
    return simulator.model.blocks


def has_emulator(simulator):
    """Whether nengo-loihi's emulator runs, rather than a board."""
    return "emulator" in simulator.sims


def emulated_spikes(simulator):
    """Spikes of each compartment so far, an array for each block."""
    compartments = simulator.sims["emulator"].compartment
    return [
        compartments.spike_count[compartments.slices[block.compartment]].copy()
        for block in blocks_of(simulator)
    ]


def utilization(simulator):
    """Resources of the cores in use: a dictionary of numbers for each."""
    return [
        {name: used for name, (used, _) in block.utilization().items()}
        for block in blocks_of(simulator)
    ]


def count_synapses(simulator):
    """Number of weights on the chip."""
    return sum(s.size() for block in blocks_of(simulator) for s in block.synapses)


def weights_met(block):
    """
    Count the weights that a spike of each compartment meets on the chip.

    Parameters
    ----------
    block : nengo_loihi.block.LoihiBlock
        Compartments and their axons.

    Returns
    -------
    weights : ndarray of shape (n_compartments,)
        Numbers of weights.
    """
    n = block.compartment.n_compartments
    total = np.zeros(n)
    for axon in block.axons:
        synapse, targets = axon.target, axon.map_axon(np.arange(n))
        for compartment, target in enumerate(targets):
            if target >= 0:
                row = synapse.axon_weight_idx(target)
                total[compartment] += np.shape(synapse.weights[row])[1]
    return total
