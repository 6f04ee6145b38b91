"""Every public name is documented, annotated, and has examples that run."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc

import lmu_nengo

DOCS = Path(__file__).parents[2] / "docs"
LIBRARY = Path(lmu_nengo.__file__).parent
PRIVATE = "backend", "kernels", "network", "operators", "plan", "products"
PACKAGES = [
    ".".join(path.parent.relative_to(LIBRARY.parent).parts)
    for path in sorted(LIBRARY.rglob("*/__init__.py"))
    if path.parent.name not in PRIVATE
]
TOP_LEVEL = [name for name in PACKAGES if name.count(".") == 1]


def public_objects(methods=False):
    """Public functions and classes by name; their public methods on request."""
    objects = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            obj = getattr(module, name)
            if not callable(obj) or not obj.__module__.startswith("lmu_nengo"):
                continue
            objects[f"{package}.{name}"] = obj
            if inspect.isclass(obj) and methods:
                for method, member in vars(obj).items():
                    is_hook = any(hasattr(base, method) for base in obj.__mro__[1:])
                    if inspect.isfunction(member) and not (is_hook or method[0] == "_"):
                        objects[f"{package}.{name}.{method}"] = member
    return [pytest.param(obj, id=name) for name, obj in objects.items()]


def parse_doc(obj):
    return ClassDoc(obj) if inspect.isclass(obj) else FunctionDoc(obj)


def parameters_of(obj):
    parameters = inspect.signature(obj).parameters.values()
    return {p.name: p.annotation for p in parameters if p.name != "self"}


@pytest.mark.parametrize("obj", public_objects(methods=True))
def test_every_argument_is_documented(obj):
    doc = parse_doc(obj)
    entries = doc["Parameters"] + doc["Other Parameters"]
    names = {name.strip(" *") for entry in entries for name in entry.name.split(",")}
    is_method = "." in obj.__qualname__  # a sentence may be enough
    assert names == set(parameters_of(obj)) or (is_method and not names)


@pytest.mark.parametrize("obj", public_objects(methods=True))
def test_every_argument_and_result_is_annotated(obj):
    empty = inspect.Parameter.empty
    assert not [name for name, hint in parameters_of(obj).items() if hint is empty]
    assert inspect.isclass(obj) or inspect.signature(obj).return_annotation is not empty


@pytest.mark.parametrize("obj", public_objects())
def test_every_public_name_has_examples_that_run(obj):
    assert ">>> " in "\n".join(parse_doc(obj)["Examples"])
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    runner = doctest.DocTestRunner(optionflags=flags)
    module = inspect.getmodule(obj)
    failures = []
    for test in doctest.DocTestFinder().find(obj, obj.__name__, module):
        runner.run(test, out=failures.append)
    assert not failures, "".join(failures)


@pytest.mark.parametrize("package", TOP_LEVEL)
def test_every_package_has_a_page_of_the_api(package):
    name = package.removeprefix("lmu_nengo.")
    page = (DOCS / "api" / f"{name}.md").read_text(encoding="utf-8")
    assert package in page
    assert f"\napi/{name}\n" in (DOCS / "api.md").read_text(encoding="utf-8")


def test_the_first_page_of_the_api_has_every_name_at_the_top():
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert not [name for name in lmu_nengo.__all__ if f"`{name} <lmu_nengo." not in page]


@pytest.mark.parametrize("name", lmu_nengo.__all__)
def test_public_names_exist(name):
    assert hasattr(lmu_nengo, name)
