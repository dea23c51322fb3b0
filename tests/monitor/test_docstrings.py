"""Does everything public in monitor.statistics say what it promises, on which grounds, and show it?

What holds for a whole module may be said once, in the module's docstring.
"""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType

import pytest

from monitor import statistics

NAMES = [found.name for found in pkgutil.iter_modules(statistics.__path__)]
MODULES = [importlib.import_module(f"monitor.statistics.{name}") for name in NAMES]
SOURCE = re.compile(r"\bSources?: .*?\b(17|18|19|20)\d\d\b", re.DOTALL)  # a work and its year
ELSEWHERE = r"\bas (?:of|in) `?\w+"  # said of another function
SHAPES = re.compile(rf"\bshapes?\b|{ELSEWHERE}")
ERRORS = re.compile(rf"\b[Rr]aises\b|{ELSEWHERE}")
LEVELS = {"alpha", "confidence"}  # who takes one of these makes a promise


def public(holder: ModuleType | type) -> Iterator[tuple[str, object]]:
    """Public functions and classes of a module, or functions and properties of a class, that are written there."""
    module = holder.__module__ if isinstance(holder, type) else holder.__name__
    for name, value in vars(holder).items():
        value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if not name.startswith("_") and getattr(value, "__module__", None) == module and callable(value):
            yield name, value
            if isinstance(value, type):
                yield from ((f"{name}.{method}", found) for method, found in public(value))


def functions(module: ModuleType) -> dict[str, FunctionType]:
    """Public functions and methods of a module."""
    return {name: value for name, value in public(module) if isinstance(value, FunctionType)}


def refuses(function: FunctionType) -> bool:
    """Whether it can raise an error of this package: by itself or through a function of the package that it calls."""
    nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    names = {node.id for node in nodes if isinstance(node, ast.Name)} - {function.__name__}
    called = [function.__globals__.get(name) for name in names]
    return any(isinstance(node, ast.Raise) for node in nodes) or any(
        refuses(one) for one in called if isinstance(one, FunctionType) and one.__module__.startswith("monitor.")
    )


def lacking(module: ModuleType, says: Callable[[str], object], of: Callable[[FunctionType], object]) -> list[str]:
    """Functions `of` which neither their own docstring nor the module's says it."""
    return [
        name
        for name, function in functions(module).items()
        if of(function) and not (says(function.__doc__ or "") or says(module.__doc__ or ""))
    ]


each_module = pytest.mark.parametrize("module", MODULES, ids=NAMES)


@each_module
def test_everything_public_has_a_docstring_of_its_own(module: ModuleType) -> None:
    assert module.__doc__
    assert [name for name, one in public(module) if not one.__doc__ or generated(one)] == []


def generated(one: object) -> bool:
    """Whether its docstring is the signature that a dataclass or a named tuple writes by itself."""
    return isinstance(one, type) and str(one.__doc__).startswith(f"{one.__name__}(")


@each_module
def test_every_function_shows_an_example_with_its_answer(module: ModuleType) -> None:
    parse = doctest.DocTestParser().get_examples
    shown = {name: parse(one.__doc__ or "") for name, one in functions(module).items() if "." not in name}
    assert [name for name, examples in shown.items() if not any(example.want for example in examples)] == []


@each_module
def test_every_function_has_a_source(module: ModuleType) -> None:
    assert lacking(module, SOURCE.search, of=lambda function: "." not in function.__qualname__) == []


@each_module
def test_what_takes_arrays_says_their_shapes(module: ModuleType) -> None:
    takes_arrays = re.compile("ndarray|Array|Codes|Flags|Verdicts")
    assert lacking(module, SHAPES.search, of=lambda f: takes_arrays.search(parameters(f))) == []


@each_module
def test_what_takes_a_level_says_its_assumption_and_its_guarantee(module: ModuleType) -> None:
    for word in ("Assumption", "Guarantee"):
        assert lacking(module, re.compile(word).search, of=lambda f: LEVELS & {*inspect.signature(f).parameters}) == []


@each_module
def test_what_refuses_arguments_says_which(module: ModuleType) -> None:
    assert lacking(module, ERRORS.search, of=refuses) == []


def parameters(function: FunctionType) -> str:
    return " ".join(str(one.annotation) for one in inspect.signature(function).parameters.values())


def test_the_rules_see_what_is_there() -> None:
    found = {name for module in MODULES for name, _ in public(module)}
    assert {"agreement", "Share", "GatePath.decision", "Peak.bounded", "DetectorState.start"} <= found
    bounded = importlib.import_module("monitor.statistics.bounded")
    assert refuses(bounded.betting_upper)  # through a private function
    assert not refuses(importlib.import_module("monitor.statistics.pairs").disjoint_pairs)
