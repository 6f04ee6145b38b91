"""NIR graphs and what runs them: Norse and SpikingJelly."""

from lmu_nengo.targets.nir.file import read_nir, write_nir
from lmu_nengo.targets.nir.graph import export_nir
from lmu_nengo.targets.nir.importer import import_nir
from lmu_nengo.targets.nir.neurons import StepLIF
from lmu_nengo.targets.nir.reference import agreement, simulate
from lmu_nengo.targets.nir.runner import run_graph
from lmu_nengo.targets.nir.simulator import NirTarget

__all__ = [
    "NirTarget",
    "StepLIF",
    "agreement",
    "export_nir",
    "import_nir",
    "read_nir",
    "run_graph",
    "simulate",
    "write_nir",
]
