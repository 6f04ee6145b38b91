import importlib
import inspect
import pkgutil

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

import lmu_nengo


def public_objects():
    """Public functions and classes of every module, with their names."""
    for info in pkgutil.walk_packages(lmu_nengo.__path__, "lmu_nengo."):
        module = importlib.import_module(info.name)
        for name, obj in vars(module).items():
            is_own = getattr(obj, "__module__", None) == info.name
            if is_own and not name.startswith("_") and callable(obj):
                yield pytest.param(obj, id=f"{info.name}.{name}")


def documented_names(doc):
    parameters = doc["Parameters"] + doc["Other Parameters"]
    return {
        name.strip().lstrip("*")
        for parameter in parameters
        for name in parameter.name.split(",")
    }


@pytest.mark.parametrize("obj", public_objects())
def test_every_argument_is_documented_and_every_documented_one_exists(obj):
    assert inspect.getdoc(obj)
    doc = ClassDoc(obj) if inspect.isclass(obj) else FunctionDoc(obj)
    names = documented_names(doc)
    parameters = {p.lstrip("*") for p in inspect.signature(obj).parameters} - {"self"}
    if obj.__name__ in lmu_nengo.__all__ or names:
        assert names == parameters


@pytest.mark.parametrize("name", lmu_nengo.__all__)
def test_public_names_exist(name):
    assert hasattr(lmu_nengo, name)
