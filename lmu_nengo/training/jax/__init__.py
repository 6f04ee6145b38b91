"""Training with JAX alone. Needs the extra ``train``."""

from lmu_nengo._validation import install_hint

try:
    import optax as _  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"Training with JAX needs optax, which cannot be imported ({error}). "
        f"{install_hint('train')}"
    ) from error

from lmu_nengo.training.jax.checkpoint import Checkpoint, EarlyStopping
from lmu_nengo.training.jax.history import History
from lmu_nengo.training.jax.losses import FiringRates
from lmu_nengo.training.jax.trainer import Trainer

__all__ = ["Checkpoint", "EarlyStopping", "FiringRates", "History", "Trainer"]
