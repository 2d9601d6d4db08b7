"""The house: which room may import which, how large rooms and modules are, what is public."""

import ast
import graphlib
import importlib
import inspect
import re
from collections import Counter
from pathlib import Path

import pytest
from numpydoc.validate import validate

import bayescale

ROOT = Path(bayescale.__file__).parents[1]

FLOORS = (
    *("errors wording", "importance priors", "documents spec", "likelihoods"),
    *("models datasets runs", "inference", "posterior", "fitting", "diagnostics", "validation"),
    *("decisions", "auditing", "plots", "reporting", "cli"),
)
"""Rooms from the lowest up. A room may import rooms on lower floors only."""
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    paths = {}
    for top, prefix in (("bayescale", ()), ("models", ("models",)), ("datasets", ("datasets",))):
        for path in (ROOT / top).rglob("*.py"):
            parts = path.relative_to(ROOT / top).with_suffix("").parts
            name = ".".join(("bayescale", *prefix, *parts)).removesuffix(".__init__")
            paths[name] = path
    del paths["bayescale"]
    return paths


FILES = modules()
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def imports(module: str) -> set[str]:
    """Modules of the package that a module imports, in functions and for types too."""
    named = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= {name if name in FILES else node.module for name in whole}
        elif isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
    return named & FILES.keys() - {module}


IMPORTS = {module: imports(module) for module in FILES}


def room(module: str) -> str:
    return module.split(".")[1]


def test_rooms_import_lower_floors_only() -> None:
    upward = [
        f"{module} -> {other}"
        for module, others in IMPORTS.items()
        for other in others
        if room(module) != room(other) and FLOOR[room(other)] >= FLOOR[room(module)]
    ]
    assert upward == []


def test_no_circle_of_imports() -> None:
    list(graphlib.TopologicalSorter(IMPORTS).static_order())  # raises CycleError, naming it


def test_an_upward_import_and_a_circle_would_be_seen() -> None:
    assert "bayescale.posterior.draws" in IMPORTS["bayescale.posterior.quantities"]
    assert FLOOR["posterior"] > FLOOR["inference"]
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


def test_bayescale_is_imported_inside_functions_by_the_shell_only() -> None:
    late = [
        f"{module}, line {node.lineno}"
        for module, tree in TREES.items()
        if room(module) != "cli"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bayescale")
    ]
    # What needs PyMC is loaded where it is needed.
    heavy = {"bayescale.inference.sample", "bayescale.fitting.record"}
    assert {place.partition(",")[0] for place in late} == heavy


def test_rooms_have_at_most_sixteen_files() -> None:
    sizes = Counter(path.parent for path in FILES.values())
    # Folders of one kind of thing may be larger: laws by topic, tables.
    large = {str(folder.relative_to(ROOT)): n for folder, n in sizes.items() if n > 16}
    assert large == {}


def test_rooms_have_an_empty_init() -> None:
    # Their registry, and lazy names.
    registries = {"likelihoods", "plots", "priors"}
    filled = [
        path.parent.name
        for path in (ROOT / "bayescale").glob("*/__init__.py")
        if path.parent.name not in registries and path.read_text(encoding="utf-8").strip()
    ]
    assert filled == []


def test_modules_have_at_most_320_lines() -> None:
    lines = {name: len(path.read_text().splitlines()) for name, path in FILES.items()}
    assert {name: count for name, count in lines.items() if count > 320} == {}


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def functions() -> list[tuple[str, ast.FunctionDef]]:
    return [
        (module, node)
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]


def test_functions_have_at_most_forty_lines() -> None:
    long = {f"{m}.{f.name}": body_lines(f) for m, f in functions() if body_lines(f) > 40}
    assert long == {}


def uses(tree: ast.AST) -> Counter[str]:
    """How often each name is read in a module."""
    read = (n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute))
    return Counter(
        n.id if isinstance(n, ast.Name) else n.attr for n in read if isinstance(n.ctx, ast.Load)
    )


USES = {module: uses(tree) for module, tree in TREES.items()}


def one_caller_helpers() -> list[str]:
    """Private functions that are used in one place, but for those that notebooks call."""
    return [
        f"{module}.{function.name}"
        for module, function in functions()
        if function.name.startswith("_")
        and not function.name.endswith("_")
        and USES[module][function.name] <= 1
    ]


def constants_used_once() -> list[str]:
    """Module constants that are used in one place of the package, and nowhere in tests or docs."""
    elsewhere = " ".join(
        path.read_text(encoding="utf-8")
        for folder in ("tests", "docs", "studies", "benchmarks")
        for path in (ROOT / folder).rglob("*.[pm][yd]")
    )
    mentioned = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", elsewhere))
    return [
        f"{module}.{name.id}"
        for module, tree in TREES.items()
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for name in ast.walk(target)
        if isinstance(name, ast.Name) and name.id.isupper() and name.id not in mentioned
        if sum(count[name.id] for count in USES.values()) <= 1
    ]


def test_few_helpers_have_one_caller() -> None:
    assert len(one_caller_helpers()) < 115


def test_few_constants_are_used_once() -> None:
    assert len(constants_used_once()) < 40


PUBLIC = {
    name: getattr(bayescale, name)
    for name in bayescale.__all__
    if inspect.isclass(getattr(bayescale, name)) or inspect.isfunction(getattr(bayescale, name))
}
METHODS = {
    f"{name}.{method}": function
    for name, owner in PUBLIC.items()
    if inspect.isclass(owner) and not issubclass(owner, Exception)
    for method, function in vars(owner).items()
    if inspect.isfunction(function) and not method.startswith("_")
}
REQUIRED = {
    *("GL03", "GL06", "GL07", "GL08", "GL10"),  # form, and that there is a docstring at all
    *("SS01", "SS02", "SS03", "SS04", "SS06"),  # a summary of one line that ends in a period
    *("PR01", "PR02", "PR03", "PR04", "PR05", "PR07", "PR10"),  # every parameter with its type
    *("RT01", "RT03"),  # what is returned
}
"""Checks of numpydoc that every public docstring passes."""


@pytest.mark.parametrize("name", [*PUBLIC, *METHODS])
def test_public_docstrings_have_their_sections(name: str) -> None:
    owner = PUBLIC[name.partition(".")[0]]
    errors = validate(f"{owner.__module__}.{name}")["errors"]
    # A record is documented by its fields, an exception by its one line.
    allowed = {"PR01", "PR02"} if inspect.isclass(PUBLIC.get(name)) else set()
    assert [error for error in errors if error[0] in REQUIRED - allowed] == []


@pytest.mark.parametrize("name", [n for n, owner in PUBLIC.items() if inspect.isfunction(owner)])
def test_public_verbs_live_in_modules_of_their_own_names(name: str) -> None:
    homes = {
        *("audit_published", "read_claims", "read_runs", "serving_cost", "transformer_cost"),
        *("prior_sensitivity", "update_drift"),
    }
    module = PUBLIC[name].__module__
    assert module.rpartition(".")[2] == name or name in homes
    assert name not in FLOOR  # no room has the name of a public function


def documented_names() -> dict[str, list[str]]:
    """Names on the reference page, by module."""
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    listed = re.findall(r"automodule:: (\S+)\n((?:   :.*\n)*)", page)
    members = {module: re.search(r":members: (.+)", options) for module, options in listed}
    return {
        module: [name.strip() for name in found.group(1).split(",")] if found else []
        for module, found in members.items()
    }


def test_the_reference_lists_what_there_is_and_all_that_is_exported() -> None:
    documented = documented_names()
    missing = [
        f"{module}.{name}"
        for module, names in documented.items()
        for name in names
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []
    listed = {name for names in documented.values() for name in names}
    assert [name for name in PUBLIC if name not in listed] == []
    assert [name for name in listed if name.startswith("_")] == []


def test_names_without_underscore_are_exported_documented_or_used_elsewhere() -> None:
    documented = {name for names in documented_names().values() for name in names}
    plots = set(importlib.import_module("bayescale.plots").__all__)
    read = {
        path: path.read_text(encoding="utf-8")
        for folder in ("bayescale", "models", "datasets", "tests", "docs", "benchmarks", "studies")
        for path in (ROOT / folder).rglob("*.[pm][yd]")
    }
    lonely = []
    for module, tree in TREES.items():
        if module.startswith(("bayescale.models", "bayescale.datasets.operations")):
            continue  # a formula is part of its law's record
        names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        for name in names:
            if name.startswith("_") or name in documented | plots | set(bayescale.__all__):
                continue
            others = (text for path, text in read.items() if path != FILES[module])
            if not any(re.search(rf"\b{name}\b", text) for text in others):
                lonely.append(f"{module}.{name}")
    assert not lonely, "\n".join(lonely)
