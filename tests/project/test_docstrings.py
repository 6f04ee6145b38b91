import importlib
import inspect
import pkgutil
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


def packages():
    """The public packages of the library."""
    for info in pkgutil.iter_modules(lmu_nengo.__path__):
        if not info.name.startswith("_"):
            yield info.name


def api_objects():
    """Functions, classes and their public methods, as the pages of the API show them."""
    for package in packages():
        owner = importlib.import_module(f"lmu_nengo.{package}")
        for name in getattr(owner, "__all__", ()):
            obj = getattr(owner, name)
            if not callable(obj):
                continue
            yield pytest.param(obj, id=f"{package}.{name}")
            if inspect.isclass(obj):
                for method, member in vars(obj).items():
                    is_hook = any(hasattr(base, method) for base in obj.__mro__[1:])
                    is_method = inspect.isfunction(member) and not is_hook
                    if is_method and not method.startswith("_"):
                        yield pytest.param(member, id=f"{package}.{name}.{method}")


@pytest.mark.parametrize("obj", api_objects())
def test_every_argument_on_the_pages_of_the_api_is_documented(obj):
    doc = ClassDoc(obj) if inspect.isclass(obj) else FunctionDoc(obj)
    names = documented_names(doc)
    parameters = {p.lstrip("*") for p in inspect.signature(obj).parameters} - {"self"}
    is_method = "." in obj.__qualname__  # a short one may say it in a sentence
    assert names == parameters or (is_method and not names)


@pytest.mark.parametrize("package", packages())
def test_every_package_has_a_page_of_the_api(package):
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "api" / f"{package}.md").read_text(encoding="utf-8")
    assert f"lmu_nengo.{package}" in page
    assert f"\napi/{package}\n" in (docs / "api.md").read_text(encoding="utf-8")


def test_the_page_of_the_api_has_every_public_name():
    page = Path(__file__).parents[2].joinpath("docs", "api.md").read_text(encoding="utf-8")
    assert not [name for name in lmu_nengo.__all__ if f"`{name} <lmu_nengo." not in page]


@pytest.mark.parametrize("name", lmu_nengo.__all__)
def test_public_names_exist(name):
    assert hasattr(lmu_nengo, name)
