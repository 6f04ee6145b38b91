"""How Nengo's operators are lowered: one module for each family, loaded by name."""

import importlib

FAMILIES = (
    "basic",
    "convolution",
    "learning_rules",
    "neurons",
    "nodes",
    "processes",
    "stimuli",
    "synapses",
)

for family in FAMILIES:
    importlib.import_module(f"{__name__}.{family}")

__all__ = ["FAMILIES"]
