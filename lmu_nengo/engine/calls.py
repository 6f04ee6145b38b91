"""Which operators have to call Python in each step, and in which order."""

import itertools
from collections.abc import Callable
from typing import Any

from nengo.builder.neurons import SimNeurons
from nengo.builder.operator import SimPyFunc
from nengo.builder.processes import SimProcess
from nengo.processes import Piecewise
from nengo.utils.functions import function_name

from lmu_nengo.engine.registry import find


def is_jax_function(function: Callable) -> bool:
    """Whether a function is marked by `lmu_nengo.engine.jax_function`."""
    return getattr(function, "is_jax_function", False)


def needs_python(op: Any) -> bool:
    """Whether the result of an operator can only be computed by Python, step by step."""
    if isinstance(op, SimPyFunc):
        return op.x is not None and not is_jax_function(op.fn)
    if isinstance(op, SimProcess):
        return op.input is not None and find(op.process, "make_step") is None
    return isinstance(op, SimNeurons) and find(op.neurons, "step") is None


def is_users_code(op: Any) -> bool:
    """Whether an operator may share state with others: their order matters."""
    if isinstance(op, SimPyFunc):
        return not is_jax_function(op.fn)
    if isinstance(op, SimProcess):
        return _has_functions(op.process) or find(op.process, "make_step") is None
    return False


def _has_functions(process):
    return isinstance(process, Piecewise) and any(map(callable, process.data.values()))


def called(order: list) -> dict:
    """
    Find the operators that are called in each step.

    If one of them is a function of a signal, so are those that depend on time alone, for
    they may share state with it: an environment, for instance.

    Parameters
    ----------
    order : list of Operator
        The operators, in Nengo's order.

    Returns
    -------
    operators : dict
        The operators; its order is theirs.
    """
    needed = dict.fromkeys(filter(needs_python, order))
    if any(map(is_users_code, needed)):
        return dict.fromkeys(op for op in order if op in needed or is_users_code(op))
    return needed


def chained(order: list, dependents: dict) -> dict:
    """
    Make the operators that may share state depend on each other, in Nengo's order.

    Parameters
    ----------
    order : list of Operator
        The operators, in Nengo's order.
    dependents : dict
        The operators that depend on each.

    Returns
    -------
    dependents : dict
        The same, and the next one that may share state.
    """
    dependents = dict(dependents)
    for op, following in itertools.pairwise(filter(is_users_code, order)):
        dependents[op] = {*dependents.get(op, ()), following}
    return dependents


def describe(operators: dict) -> str:
    """Name the operators that need Python."""
    names = []
    for op in filter(needs_python, operators):
        if isinstance(op, SimPyFunc):
            names.append(f"the function '{function_name(op.fn)}'")
        elif isinstance(op, SimProcess):
            names.append(f"the process {type(op.process).__name__}")
        else:
            names.append(f"neurons of type {type(op.neurons).__name__}")
    return ", ".join(dict.fromkeys(names))
