"""What importing bayescale does, and what it leaves alone."""

import inspect
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import bayescale

ROOT = Path(bayescale.__file__).parents[1]
HEAVY = (
    *("pymc", "pytensor", "nutpie", "numba", "arviz", "arviz_base", "arviz_stats", "arviz_plots"),
    *("matplotlib", "pandas", "scipy", "xarray", "h5py", "pyarrow", "pooch"),
)
MODULES = sorted(
    ".".join(
        [
            *([] if folder == "bayescale" else ["bayescale"]),
            *path.relative_to(ROOT).with_suffix("").parts,
        ]
    ).removesuffix(".__init__")
    for folder in ("bayescale", "models", "datasets")
    for path in (ROOT / folder).rglob("*.py")
)


def python(code: str, *options: str, folder: Path | None = None) -> str:
    """What a fresh interpreter prints; it has to end well and complain of nothing."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_module_of_the_three_folders_is_known_here() -> None:
    assert {"bayescale", "bayescale.cli.main", "bayescale.models"} <= set(MODULES)
    assert {"bayescale.datasets", "bayescale.datasets.fetching"} <= set(MODULES)


def test_every_module_imports_without_a_warning(tmp_path: Path) -> None:
    code = "import importlib\nfor name in {}: importlib.import_module(name)\nprint('done')"
    assert python(code.format(MODULES), "-W", "error", folder=tmp_path) == "done\n"


def test_no_module_answers_to_plain_models_or_datasets(tmp_path: Path) -> None:
    code = f"""
import sys, importlib
for name in {MODULES}: importlib.import_module(name)
ours = {{
    name for name, module in sys.modules.items()
    if str(getattr(module, "__file__", None) or "").startswith({str(ROOT)!r} + "/")
    and "/.venv/" not in module.__file__
}}
print(sorted(name for name in ours if not name.startswith(("bayescale", "__editable__"))))
print(len(ours) >= {len(MODULES)})
"""
    assert python(code, folder=tmp_path) == "[]\nTrue\n"


@pytest.mark.parametrize("name", ["models", "datasets"])
def test_plain_names_are_not_importable_from_here(tmp_path: Path, name: str) -> None:
    code = f"""
import bayescale.{name}, importlib.util
found = importlib.util.find_spec({name!r})
print(found is None or not str(found.origin).startswith({str(ROOT)!r}))
"""
    assert python(code, folder=tmp_path) == "True\n"


@pytest.mark.parametrize(
    "code",
    [
        "import bayescale",
        "import bayescale.cli.main",
        "import bayescale; dir(bayescale)",
        "import sys, bayescale.cli.main; sys.argv = ['bayescale', '--help']\n"
        "try: bayescale.cli.main.main()\nexcept SystemExit as ended: assert ended.code == 0",
        "import sys, bayescale.cli.main; sys.argv = ['bayescale', '--version']\n"
        "try: bayescale.cli.main.main()\nexcept SystemExit as ended: assert ended.code == 0",
    ],
    ids=["import", "import the shell", "dir", "help", "version"],
)
def test_nothing_heavy_is_loaded_for(tmp_path: Path, code: str) -> None:
    check = f"\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    assert python(code + check, folder=tmp_path).splitlines()[-1] == "[]"


def test_importing_changes_no_global_setting(tmp_path: Path) -> None:
    code = """
import logging, warnings, numpy
before = (list(warnings.filters), logging.root.level, list(logging.root.handlers), numpy.geterr())
state = numpy.random.get_state()[1].tolist()
import bayescale.cli.main, bayescale.datasets
bayescale.read_runs, bayescale.DataError
after = (list(warnings.filters), logging.root.level, list(logging.root.handlers), numpy.geterr())
print(before == after, state == numpy.random.get_state()[1].tolist())
"""
    assert python(code, folder=tmp_path) == "True True\n"


def test_types_are_shipped() -> None:
    assert files("bayescale").joinpath("py.typed").is_file()


@pytest.mark.parametrize("name", sorted(bayescale.__all__))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(bayescale, name)
    assert name in dir(bayescale)
    if not inspect.ismodule(found):
        assert found.__module__.startswith("bayescale.")
    documented = inspect.getdoc(found) or ""
    assert documented.splitlines()[0].endswith("."), documented


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such"):
        _ = bayescale.no_such


def test_a_fit_by_importance_sampling_loads_no_compiler_and_no_plots() -> None:
    heavy = ["arviz", "joblib", "matplotlib", "numba", "nutpie", "pymc", "pytensor"]
    code = f"""
import sys
import bayescale as bs
runs = bs.datasets.load("simulated_isoflop")
str(bs.fit(bs.models.CHINCHILLA, runs, random_seed=1, draws=100, sampler="importance"))
print([name for name in {heavy} if name in sys.modules])
"""
    assert python(code) == "[]\n"
