"""What NengoDL's configuration says of a network, read and written without NengoDL."""

import nengo
from nengo.exceptions import ConfigError, NetworkContextError
from nengo.params import BoolParam

from lmu_nengo._validation import check_flag

TRAINED = (nengo.Ensemble, nengo.ensemble.Neurons, nengo.Connection)


def configure_settings(
    keep_history: bool | None = None, trainable: bool | None = None
) -> None:
    """
    Configure the network around, as ``nengo_dl.configure_settings`` does.

    Both may be configured for one object afterwards, by
    ``network.config[probe].keep_history`` and ``network.config[connection].trainable``.

    Parameters
    ----------
    keep_history : bool, optional
        Whether probes keep all steps, or the last one only. It counts for the outermost
        network.
    trainable : bool, optional
        Whether what is in the innermost network is trained, unless it is configured
        otherwise; True and None are the default, which is to train all weights, encoders
        and biases outside of memories.

    Raises
    ------
    NetworkContextError
        If it is not called within a network.

    Examples
    --------
    >>> import nengo
    >>> from lmu_nengo.training import configure_settings
    >>> with nengo.Network() as network:
    ...     configure_settings(keep_history=False)
    ...     probe = nengo.Probe(nengo.Node([0]))
    >>> network.config[probe].keep_history
    False
    """
    if not nengo.Network.context:
        raise NetworkContextError(
            "configure_settings must be called within a network: with nengo.Network(): ..."
        )
    check_flag(trainable, "trainable", allow_none=True)
    if check_flag(keep_history, "keep_history", allow_none=True) is not None:
        config = nengo.Network.context[0].config
        config[nengo.Probe].set_param(
            "keep_history", BoolParam("keep_history", default=keep_history)
        )
    config = nengo.Network.context[-1].config
    for kind in TRAINED:
        if kind not in config.params:
            config.configures(kind)
        config[kind].set_param(
            "trainable", BoolParam("trainable", default=trainable, optional=True)
        )


def keeps_history(network: nengo.Network, probe: nengo.Probe) -> bool:
    """Whether a probe keeps all steps: so it is unless the network says otherwise."""
    return _setting(network.config, probe, "keep_history") is not False


def find_trainable(network: nengo.Network) -> dict:
    """
    Find the ensembles, neurons and connections whose parameters may be trained.

    Parameters
    ----------
    network : nengo.Network
        The network.

    Returns
    -------
    trainable : dict of {Ensemble or Neurons or Connection: bool}
        The inner networks' configuration counts more than that of those around them. What
        learns online is not trained.
    """
    found: dict = {}
    _collect(network, [], found)
    return found


def _collect(network, configs, found):
    configs = [*configs, network.config]

    def is_trainable(obj, default=True):
        for config in reversed(configs):
            value = _setting(config, obj, "trainable")
            if value is not None:
                return value
        return default

    for ensemble in network.ensembles:
        found[ensemble] = is_trainable(ensemble)
        found[ensemble.neurons] = is_trainable(ensemble.neurons, found[ensemble])
    for conn in network.connections:
        found[conn] = is_trainable(conn) and conn.learning_rule_type is None
    for net in network.networks:
        _collect(net, configs, found)


def _setting(config, obj, name):
    try:
        return getattr(config[obj], name, None)
    except ConfigError:
        return None
