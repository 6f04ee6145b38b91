"""Which function makes a program's step of which operator of Nengo."""

from collections.abc import Callable
from typing import Any

from nengo.exceptions import BuildError

LOWERINGS: dict[type, Callable] = {}
METHODS: dict[str, Callable] = {}  # for classes that bring a method of this name


def register(operator: type) -> Callable:
    """
    Register the function that lowers an operator, as Nengo registers its builders.

    Parameters
    ----------
    operator : type
        A subclass of `nengo.builder.Operator`. Its own subclasses are lowered by the same
        function unless they have one.

    Returns
    -------
    decorator : function
        Decorates ``lower(op, builder)``, which makes all decisions that do not change from
        step to step and returns ``step(values)``. That reads, sets and increments signals
        with JAX, for one sequence; see `lmu_nengo.engine.values.Values`.

    Examples
    --------
    >>> from nengo.builder import Operator
    >>> from lmu_nengo import engine
    >>> class Double(Operator):
    ...     pass
    >>> @engine.register(Double)
    ... def double(op, builder):
    ...     def step(values):
    ...         values.set(op.sets[0], 2 * values.read(op.reads[0]))
    ...
    ...     return step
    """

    def decorate(lower):
        LOWERINGS[operator] = lower
        return lower

    return decorate


def find(obj: Any, method: str) -> Callable | None:
    """
    Find what is registered for the class of an object, or for a method that it has.

    Parameters
    ----------
    obj : object
        A neuron type or a process.
    method : str
        The method that defines what it does. What is registered for a class that it
        inherits from counts only if this is inherited too.

    Returns
    -------
    function : function or None
        What was registered.
    """
    for kind in type(obj).__mro__:
        own = [function for name, function in METHODS.items() if name in vars(kind)]
        if kind in LOWERINGS or own:
            is_same = getattr(type(obj), method) is getattr(kind, method)
            return LOWERINGS.get(kind, *own) if is_same else None
    return None


def lowering(op: Any) -> Callable:
    """
    Find the function that lowers an operator.

    Parameters
    ----------
    op : Operator
        The operator.

    Returns
    -------
    lower : function
        What was registered for its class, or for the nearest class that it inherits from.

    Raises
    ------
    BuildError
        If there is none.
    """
    for kind in type(op).__mro__:
        if kind in LOWERINGS:
            return LOWERINGS[kind]
    raise BuildError(
        f"The engine cannot run the operator {op}: no function is registered for "
        f"{type(op).__name__}. Write one with lmu_nengo.engine.register."
    )
