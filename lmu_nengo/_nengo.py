"""The parts of Nengo's private interface that this package uses, in one place."""

from contextlib import contextmanager

from nengo.config import Config


@contextmanager
def plain_config():
    """Use Nengo's own defaults, whatever the surrounding networks configure."""
    surrounding = list(Config.context)
    Config.context.clear()
    try:
        yield
    finally:
        for config in surrounding:
            Config.context.append(config)


def synapse_state_space(synapse, dt):
    """Discrete matrices A, B, C and D with which Nengo runs a linear filter."""
    return synapse._get_ss(dt)
