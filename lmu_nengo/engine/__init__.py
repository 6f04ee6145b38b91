"""
A compiled engine: any Nengo network as one JAX program.

It knows nothing of Legendre memories.
"""

from lmu_nengo._validation import install_hint

try:
    import jax as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"The engine needs JAX, which cannot be imported ({error}). {install_hint('jax')}"
    ) from error

from lmu_nengo.engine.operators.nodes import jax_function
from lmu_nengo.engine.registry import register
from lmu_nengo.engine.simulator import Simulator

__all__ = ["Simulator", "jax_function", "register"]
