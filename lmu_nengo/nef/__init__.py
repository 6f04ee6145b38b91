"""From state space to neurons: Principle 3, synapses, stability, populations."""

from lmu_nengo.nef.input_model import Band
from lmu_nengo.nef.mapping import Mapping, continuous_principle3, principle3
from lmu_nengo.nef.populations import Staggered
from lmu_nengo.nef.stability import loop_poles
from lmu_nengo.nef.synapses import DelayedLowpass, discrete_synapse

__all__ = [
    "Band",
    "DelayedLowpass",
    "Mapping",
    "Staggered",
    "continuous_principle3",
    "discrete_synapse",
    "loop_poles",
    "principle3",
]
