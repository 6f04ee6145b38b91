"""Training with NengoDL; importing this imports TensorFlow. Needs the extra ``dl``."""

from lmu_nengo.training._nengo_dl import nengo_dl  # isort: skip  (chooses Keras)
from lmu_nengo.training.checkpoint import Checkpoint
from lmu_nengo.training.losses import FiringRates
from lmu_nengo.training.simulator import Simulator

__all__ = ["Checkpoint", "FiringRates", "Simulator", "nengo_dl"]
