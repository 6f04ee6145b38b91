"""Training with NengoDL; importing this imports TensorFlow. Needs the extra ``dl``."""

from lmu_nengo.training.compat import nengo_dl
from lmu_nengo.training.simulator import Simulator

__all__ = ["Simulator", "nengo_dl"]
