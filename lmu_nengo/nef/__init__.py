"""
From state space to neurons, by the Neural Engineering Framework.

The steps follow each other: `InputModel` (what a memory will get), `choose_coordinates`
(which dimensions neurons hold), `make_neurons` (populations and decoders), `principle3`
(the mapping onto a synapse and the `Response` of the neurons). `lmu_nengo.Spiking` and the
memory on Loihi take all of them.
"""

from lmu_nengo.nef.coordinates import Coordinates, choose_coordinates
from lmu_nengo.nef.input_model import Band, InputModel, Recording, largest_response
from lmu_nengo.nef.mapping import Mapping, continuous_principle3, principle3
from lmu_nengo.nef.populations import Neurons, Staggered, make_neurons
from lmu_nengo.nef.response import Response
from lmu_nengo.nef.stability import loop_poles
from lmu_nengo.nef.synapses import DelayedLowpass, discrete_synapse

__all__ = [
    "Band",
    "Coordinates",
    "DelayedLowpass",
    "InputModel",
    "Mapping",
    "Neurons",
    "Recording",
    "Response",
    "Staggered",
    "choose_coordinates",
    "continuous_principle3",
    "discrete_synapse",
    "largest_response",
    "loop_poles",
    "make_neurons",
    "principle3",
]
