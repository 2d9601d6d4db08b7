"""Fixtures that more than one test file uses."""

import os
import sys
from pathlib import Path

import pandas as pd
import pytest

from bayescale import datasets
from bayescale.cli import main
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.models import LAWS
from tests.shell import Outcome, Shell
from tests.tables import PublicTable


@pytest.fixture(scope="session")
def chinchilla_runs() -> pd.DataFrame:
    """The 245 public Chinchilla runs; where they are not at hand, the test is skipped."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("BAYESCALE_DATA", beside))
    if not (folder / datasets.card("chinchilla").files[0].path).is_file():
        pytest.skip("needs the Chinchilla runs: set BAYESCALE_DATA to a directory that has them")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAYESCALE_DATA", str(folder))
        return datasets.load("chinchilla")


@pytest.fixture
def public_table(monkeypatch: pytest.MonkeyPatch) -> PublicTable:
    """Public tables by name, from here on also for the package; skips where one is not at hand."""
    folder = os.environ.get("BAYESCALE_DATA") or Path(__file__).parents[2] / "shared" / "data"

    def loaded(name: str, **where: object) -> pd.DataFrame:
        if not all(Path(folder, file.path).is_file() for file in datasets.card(name).files):
            pytest.skip(f"needs the table {name}: set BAYESCALE_DATA to a directory that has it")
        monkeypatch.setenv("BAYESCALE_DATA", str(folder))
        return datasets.load(name, **where)

    return loaded


@pytest.fixture(scope="session")
def simulated_runs() -> pd.DataFrame:
    """The shipped table of simulated runs, whose truth is on its card."""
    return datasets.load("simulated_isoflop")


@pytest.fixture(scope="session")
def small_fit() -> Fit:
    """A short fit to the shipped measured runs: draws to compute with, not to conclude from."""
    runs = datasets.load("pocket")
    return fit(LAWS["coupled"], runs, random_seed=1, draws=200, tune=400, chains=2)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """Run the console entry in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["bayescale", *words])
        with pytest.raises(SystemExit) as ended:
            main.main()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def saved(small_fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A saved fit that is not to be trusted, being short."""
    path = tmp_path_factory.mktemp("saved") / "fit.nc"
    small_fit.save(path)
    return str(path)
