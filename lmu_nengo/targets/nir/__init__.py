"""NIR graphs, and the packages that run them: Norse and SpikingJelly."""

from lmu_nengo.targets.nir.file import read_nir, write_nir
from lmu_nengo.targets.nir.graph import export_nir, import_nir
from lmu_nengo.targets.nir.neurons import CubaLIF, StepLIF
from lmu_nengo.targets.nir.reference import Result, agreement, simulate_graph
from lmu_nengo.targets.nir.simulator import NirTarget, run_graph

__all__ = [
    "CubaLIF",
    "NirTarget",
    "Result",
    "StepLIF",
    "agreement",
    "export_nir",
    "import_nir",
    "read_nir",
    "run_graph",
    "simulate_graph",
    "write_nir",
]
