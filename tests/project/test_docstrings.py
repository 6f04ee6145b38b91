import importlib
import inspect
import pkgutil
import re
from pathlib import Path

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


def api_objects():
    """Functions, classes and methods on the API's page, with their names."""
    page = Path(__file__).parents[2].joinpath("docs", "api.md").read_text(encoding="utf-8")
    entry = re.compile(
        r"^\.\. auto(module|class|function):: (\S+)(?:\n   :members:(.*))?$", re.MULTILINE
    )
    for kind, path, members in entry.findall(page):
        if kind == "module":
            owner = importlib.import_module(path)
            own = [
                name
                for name, obj in vars(owner).items()
                if getattr(obj, "__module__", None) == path and not name.startswith("_")
            ]
        else:
            module, name = path.rsplit(".", 1)
            owner = getattr(importlib.import_module(module), name)
            yield pytest.param(owner, id=path)
            own = []
        for name in re.findall(r"\w+", members) or own:
            member = inspect.getattr_static(owner, name)
            if not isinstance(member, property):
                yield pytest.param(getattr(owner, name), id=f"{path}.{name}")


@pytest.mark.parametrize("obj", api_objects())
def test_every_argument_on_the_page_of_the_api_is_documented(obj):
    if not callable(obj):
        return
    doc = ClassDoc(obj) if inspect.isclass(obj) else FunctionDoc(obj)
    parameters = {p.lstrip("*") for p in inspect.signature(obj).parameters} - {"self"}
    assert documented_names(doc) == parameters


def test_the_page_of_the_api_has_every_public_name():
    shown = {param.values[0] for param in api_objects()}
    missing = [n for n in lmu_nengo.__all__ if getattr(lmu_nengo, n) not in shown]
    assert not missing


@pytest.mark.parametrize("name", lmu_nengo.__all__)
def test_public_names_exist(name):
    assert hasattr(lmu_nengo, name)
