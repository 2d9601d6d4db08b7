"""Fits on disk: written whole or not at all, read back exactly, and checked when they are read."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from pandas.testing import assert_frame_equal

import bayescale as bs
from bayescale.errors import DataError
from bayescale.fitting import tree_files
from bayescale.fitting.fit import fit
from bayescale.fitting.record import Fit
from bayescale.likelihoods import NORMAL
from bayescale.models import LAWS
from bayescale.priors import HalfNormal, LogNormal
from bayescale.runs.read import digest


@pytest.fixture(scope="session")
def grouped_fit(simulated_runs: pd.DataFrame) -> Fit:
    """Groups, replaced priors, and columns of every kind beside those of the law."""
    count = np.arange(len(simulated_runs))
    runs = simulated_runs.assign(
        corpus=np.where(count % 2, "bücher", "web/学"),
        seed=count,
        narrow=count.astype("int16"),
        warm=count % 3 == 0,
        share=count / 7,
        note=[None if k % 4 else f"{k}\t[é]" for k in count],
        day=pd.Timestamp("2026-01-01") + pd.to_timedelta(count, unit="D"),
    ).rename(columns={"seed": "run", "narrow": "tokens/param", "share": ".%2F"})
    return fit(
        LAWS["chinchilla"],
        runs,
        likelihood=NORMAL,
        priors={
            "alpha": HalfNormal(sigma=0.5),
            "beta": LogNormal(mu=-1, sigma=1),
        },
        groups="corpus",
        pool={"alpha": "shared", "beta": "shared", "share": "shared", "level": "separate"},
        draws=60,
        tune=200,
        chains=2,
        random_seed=3,
    )


@pytest.fixture(params=["coupled", "grouped"])
def fitted(request: pytest.FixtureRequest) -> Fit:
    """A plain fit, and one with groups and replaced priors."""
    name = {"coupled": "small_fit", "grouped": "grouped_fit"}[request.param]
    value: Fit = request.getfixturevalue(name)
    return value


Put = Callable[[Fit, Path], None]


@pytest.fixture(scope="session")
def put(tmp_path_factory: pytest.TempPathFactory) -> Put:
    """Put a saved fit somewhere; every fit is saved once, and copied from then on."""
    folder = tmp_path_factory.mktemp("saved")
    originals: dict[Fit, Path] = {}

    def copy(fitted: Fit, path: Path) -> None:
        if fitted not in originals:
            originals[fitted] = folder / f"{len(originals)}.nc"
            fitted.save(originals[fitted])
        shutil.copyfile(originals[fitted], path)

    return copy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a fit is saved, in an empty folder."""
    return tmp_path / "fit.nc"


def changed(fitted: Fit, **attrs: Any) -> Fit:
    """A fit with other attributes, or without them (None)."""
    tree = fitted.tree.copy()
    merged = {**tree.attrs, **attrs}
    tree.attrs = {name: value for name, value in merged.items() if value is not None}
    return replace(fitted, tree=tree)


def contents(path: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def refusal(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_every_group_and_attribute_comes_back(path: Path, put: Put, fitted: Fit) -> None:
    put(fitted, path)
    loaded = bs.load(path)
    assert list(loaded.tree.children) == list(fitted.tree.children)
    for group in fitted.tree.children:
        before, after = (f.tree[group].to_dataset() for f in (fitted, loaded))
        xr.testing.assert_identical(after, before)
        assert list(after) == list(before)
    assert loaded.tree.attrs == fitted.tree.attrs
    assert list(loaded.tree.attrs) == list(fitted.tree.attrs)


def test_groups_of_priors_and_predictions_come_back(path: Path, small_fit: Fit) -> None:
    complete = small_fit.with_prior(20, random_seed=1).with_predictive()
    complete.save(path)
    loaded = bs.load(path)
    for group in ("prior", "prior_predictive", "posterior_predictive"):
        expected = complete.tree[group].to_dataset()
        xr.testing.assert_identical(loaded.tree[group].to_dataset(), expected)


def test_the_structure_comes_back(path: Path, put: Put, fitted: Fit) -> None:
    put(fitted, path)
    before, after = fitted.structure, bs.load(path).structure
    assert after.key == before.key  # so a compiled model serves both
    assert (after.by, after.groups, after.pool) == (before.by, before.groups, before.pool)
    assert after.clusters == before.clusters
    for (name_before, prior), (name_after, again) in zip(before.priors, after.priors, strict=True):
        assert name_after == name_before
        assert again.form == prior.form
        assert dict(again.parameters) == dict(prior.parameters)


def test_replaced_priors_come_back(path: Path, put: Put, grouped_fit: Fit) -> None:
    put(grouped_fit, path)
    priors = dict(bs.load(path).structure.priors)
    assert priors["alpha"].distribution is HalfNormal
    assert repr(priors["alpha"]) == "HalfNormal(sigma=0.5)"
    assert repr(priors["beta"]) == "LogNormal(mu=-1, sigma=1)"


def test_the_runs_come_back_with_every_column(path: Path, put: Put, grouped_fit: Fit) -> None:
    put(grouped_fit, path)
    runs = bs.load(path).runs
    assert_frame_equal(runs, grouped_fit.runs)
    assert digest(runs) == grouped_fit.tree.attrs["runs_sha256"]
    assert list(runs)[4:] == ["corpus", "run", "tokens/param", "warm", ".%2F", "note", "day"]
    assert runs["corpus"].tolist()[:2] == ["web/学", "bücher"]
    assert runs["run"].tolist() == list(range(90))
    assert (runs["tokens/param"].dtype, runs["warm"].dtype) == (np.int16, np.bool_)
    assert runs["note"].tolist()[:5] == ["0\t[é]", "", "", "", "4\t[é]"]
    assert runs["day"].iloc[1] == "2026-01-02 00:00:00"


def test_answers_are_the_same_before_and_after(path: Path, put: Put, fitted: Fit) -> None:
    put(fitted, path)
    loaded = bs.load(path)
    assert_frame_equal(loaded.summary(), fitted.summary())
    assert (loaded.verdict, loaded.warnings) == (fitted.verdict, fitted.warnings)
    assert (loaded.seconds, loaded.random_seed) == (fitted.seconds, fitted.random_seed)
    xr.testing.assert_identical(loaded.optimum([1e22, 1e24]), fitted.optimum([1e22, 1e24]))
    points = {"params": [1e9, 1e10], "tokens": [2e10, 2e11]}
    if fitted.structure.by:
        points["corpus"] = ["web/学", "bücher"]
    xr.testing.assert_identical(loaded.predict(points), fitted.predict(points))
    assert repr(loaded) == repr(fitted)


def test_a_loaded_fit_can_be_saved(tmp_path: Path, put: Put, grouped_fit: Fit) -> None:
    put(grouped_fit, tmp_path / "fit.nc")
    bs.load(tmp_path / "fit.nc").save(tmp_path / "again.nc")
    again = bs.load(tmp_path / "again.nc")
    assert_frame_equal(again.runs, grouped_fit.runs)
    assert_frame_equal(again.summary(), grouped_fit.summary())
    assert again.tree.attrs == grouped_fit.tree.attrs


def test_divergences_with_their_messages_are_saved(path: Path, small_fit: Fit) -> None:
    tree = small_fit.tree.copy()
    stats, alpha = tree["sample_stats"].to_dataset(), small_fit.posterior["alpha"]
    messages = np.full(alpha.shape, None, dtype=object)
    messages[0, 3] = "energy error"
    tree["sample_stats"] = xr.DataTree(
        stats.assign(
            diverging=alpha.copy(data=messages != None),  # noqa: E711 (elementwise)
            divergence_message=(("chain", "draw"), messages),
        )
    )
    replace(small_fit, tree=tree).save(path)
    loaded = bs.load(path)
    assert loaded.tree["sample_stats"]["divergence_message"].to_numpy()[0, 3] == "energy error"
    assert any("divergences: 1 of" in reason for reason in loaded.verdict.reasons)


def test_saving_over_a_fit_replaces_it(
    path: Path, put: Put, small_fit: Fit, grouped_fit: Fit
) -> None:
    put(grouped_fit, path)
    small_fit.save(path)
    assert bs.load(path).tree.identical(small_fit.tree)
    assert [file.name for file in path.parent.iterdir()] == ["fit.nc"]


def half_written(self: xr.DataTree, path: Path, engine: str) -> None:
    path.write_bytes(b"\x89HDF")
    raise OSError(28, "No space left on device")


def cannot_move(source: Path, target: Path) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("owner", "name", "failing", "word"),
    [
        (xr.DataTree, "to_netcdf", half_written, "No space left"),
        (tree_files.os, "replace", cannot_move, "Permission denied"),
    ],
    ids=["while writing", "while moving"],
)
def test_a_failure_keeps_the_old_fit_and_removes_the_new_one(
    path: Path,
    put: Put,
    small_fit: Fit,
    grouped_fit: Fit,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    failing: Callable[..., None],
    word: str,
) -> None:
    put(grouped_fit, path)
    before = contents(path.parent)
    monkeypatch.setattr(owner, name, failing)
    message = refusal(small_fit.save, path)
    assert word in message
    assert "unchanged" in message
    assert contents(path.parent) == before


KILLED = """
import os, signal, sys
import xarray as xr
import bayescale as bs

def killed(self, path, engine):
    path.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

fitted = bs.load(sys.argv[1])
xr.DataTree.to_netcdf = killed
fitted.save(sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_process_killed_while_saving_keeps_the_old_fit(
    path: Path, put: Put, small_fit: Fit
) -> None:
    put(small_fit, path)
    before = path.read_bytes()
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -9
    assert path.read_bytes() == before
    assert bs.load(path).tree.identical(small_fit.tree)
    # What it left is removed by the next one that saves there; what is another's stays.
    (left,) = path.parent.glob(".bayescale-*")
    alive, other = (path.parent / name for name in (f"{tree_files.drafts()}1-x", ".bayescale-x"))
    alive.mkdir()
    other.mkdir()
    small_fit.save(path)
    assert not left.exists()
    assert alive.exists()
    assert other.exists()


def test_a_closed_folder_is_refused_before_anything_is_written(
    path: Path, small_fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_files.os, "access", lambda path, mode: False)  # root may write
    assert "not open for writing" in refusal(small_fit.save, path)
    assert list(path.parent.iterdir()) == []


def test_a_missing_folder_is_refused(tmp_path: Path, small_fit: Fit) -> None:
    assert "there is no folder" in refusal(small_fit.save, tmp_path / "absent" / "fit.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["fit", "fit.pkl", "fit.zarr", "fit.nc.gz", "fit.NC"])
def test_other_endings_are_refused_both_ways(tmp_path: Path, small_fit: Fit, name: str) -> None:
    for refused in (small_fit.save, bs.load):
        message = refusal(refused, tmp_path / name)
        assert "expected .nc" in message
        assert name in message
    assert list(tmp_path.iterdir()) == []


def foreign(path: Path) -> None:
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("draw", [1.0, 2.0])})})
    tree.to_netcdf(path, engine="h5netcdf")


def folder(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("mine")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (foreign, "format None"),
        (folder, "fit.nc cannot be read"),
        (lambda path: path.write_text("mine"), "fit.nc cannot be read"),
    ],
    ids=["NetCDF", "folder", "text"],
)
def test_other_files_are_neither_read_nor_replaced(
    path: Path, small_fit: Fit, write: Callable[[Path], None], words: str
) -> None:
    write(path)
    before = contents(path.parent)
    assert words in refusal(bs.load, path)
    message = refusal(small_fit.save, path)
    assert "is no fit" in message
    assert "Choose another name" in message
    assert contents(path.parent) == before


def test_a_missing_file_is_refused(path: Path) -> None:
    assert "Check the path" in refusal(bs.load, path)


@pytest.mark.parametrize("part", [0.001, 0.3, 0.9, 0.999])
def test_a_cut_file_is_refused(path: Path, put: Put, small_fit: Fit, part: float) -> None:
    put(small_fit, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert "cut short" in refusal(bs.load, path)


def number(path: Path) -> int:
    with h5py.File(path) as file:
        return int(file["posterior/alpha"].id.get_offset()) + 100


def text_of(word: bytes) -> Callable[[Path], int]:
    return lambda path: path.read_bytes().index(word) + 2


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (number, "posterior has other alpha"),
        (text_of(b"irreducible"), "posterior has other"),
        (text_of(b'"distribution": "LogNormal"'), "other attributes"),
        (text_of(b"coefficient"), "posterior has other"),
    ],
    ids=["number", "text", "attribute", "attribute of a variable"],
)
def test_a_flipped_bit_is_refused(
    path: Path, put: Put, small_fit: Fit, place: Callable[[Path], int], words: str
) -> None:
    put(small_fit, path)
    content = bytearray(path.read_bytes())
    content[place(path)] ^= 1
    path.write_bytes(content)
    assert words in refusal(bs.load, path)


def test_a_changed_number_is_refused(path: Path, put: Put, small_fit: Fit) -> None:
    put(small_fit, path)
    with h5py.File(path, "r+") as file:
        file["posterior/alpha"][1, 7] *= 1.000001
    assert "posterior has other alpha" in refusal(bs.load, path)


@pytest.mark.parametrize(
    "name", ["posterior", "runs", "loo", "drift", "posterior/alpha", "runs/tokens", "loo/pareto_k"]
)
def test_a_file_without_a_group_or_a_variable_is_refused(
    path: Path, put: Put, small_fit: Fit, name: str
) -> None:
    put(small_fit, path)
    with h5py.File(path, "r+") as file:
        del file[name]
    assert "fit.nc is damaged" in refusal(bs.load, path)


@pytest.mark.parametrize("number", [0, 1])
def test_another_format_number_is_refused(
    path: Path, put: Put, small_fit: Fit, number: int
) -> None:
    put(small_fit, path)
    with h5py.File(path, "r+") as file:
        file.attrs["bayescale_format"] = number
    message = refusal(bs.load, path)
    assert f"format {number}; expected 2" in message
    assert "version" in message


# Attributes to change, and words of the refusal.
TAMPERED: dict[str, tuple[dict[str, Any], str]] = {
    "no law": ({"law": None}, "law"),
    "no priors": ({"priors": None}, "priors"),
    "priors no JSON": ({"priors": "{"}, "damaged"),
    "priors a number": ({"priors": 3}, "damaged"),
    "priors a list": ({"priors": '["level"]'}, "parameters"),
    "priors of another law": ({"priors": '{"x": {}}'}, "load()"),
    "pool no JSON": ({"pool": "partial"}, "damaged"),
    "pool unknown": ({"pool": '{"alpha": "some"}'}, "some"),
    "warnings no JSON": ({"warnings": "odd"}, "damaged"),
    "seconds null": ({"seconds": "null"}, "seconds is no dict"),
    "wrong numbers a word": ({"wrong_numbers": '"none"'}, "wrong_numbers is no list"),
    "nested deep": ({"versions": "[" * 100_000}, "damaged"),
    "seconds no JSON": ({"seconds": ""}, "damaged"),
    "by another column": ({"by": "flops"}, "flops"),
    "other runs": ({"runs_sha256": "0" * 64}, "other runs"),
}


@pytest.mark.parametrize(("attrs", "word"), TAMPERED.values(), ids=TAMPERED)
def test_damaged_attributes_are_refused(
    path: Path, small_fit: Fit, attrs: dict[str, Any], word: str
) -> None:
    changed(small_fit, **attrs).save(path)
    assert word in refusal(bs.load, path)


def test_a_changed_list_of_contents_is_refused(path: Path, put: Put, small_fit: Fit) -> None:
    put(small_fit, path)
    with h5py.File(path, "r+") as file:
        file.attrs["contents"] = '{"posterior": {"alpha"'
    assert "fit.nc is damaged" in refusal(bs.load, path)


@pytest.mark.parametrize(
    "distribution",
    ["Model", "__builtins__", "sample", "math", "Distribution.dist", "no_such", "", 3, None, []],
)
def test_a_prior_that_is_no_distribution_is_refused_and_never_called(
    path: Path, small_fit: Fit, monkeypatch: pytest.MonkeyPatch, distribution: Any
) -> None:
    called: list[Any] = []

    class Trap:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            called.append(args)

        @classmethod
        def dist(cls, mu: float, sigma: float) -> None:
            called.append((mu, sigma))

    monkeypatch.setattr(pm, "Model", Trap)
    monkeypatch.setattr(pm, "sample", Trap(called.clear()))
    called.clear()
    priors = json.loads(small_fit.tree.attrs["priors"])
    priors["alpha"]["distribution"] = distribution
    changed(small_fit, priors=json.dumps(priors)).save(path)
    assert f"has a prior {distribution!r}; expected one of Normal" in refusal(bs.load, path)
    assert called == []


@pytest.mark.parametrize(
    "parameters",
    [{"mu": "0"}, {"mu": None}, {"nu": 1.0}, {"mu": [1.0, 2.0]}, {"parts": ["a"]}, [1.0], "mu"],
)
def test_a_prior_with_numbers_it_cannot_have_is_refused(
    path: Path, small_fit: Fit, parameters: Any
) -> None:
    priors = json.loads(small_fit.tree.attrs["priors"])
    priors["alpha"]["parameters"] = parameters
    changed(small_fit, priors=json.dumps(priors)).save(path)
    assert "fit.nc is damaged" in refusal(bs.load, path)


def test_a_law_of_your_own_has_to_be_passed(path: Path, small_fit: Fit) -> None:
    own = replace(LAWS["coupled"], name="own")
    structure = replace(small_fit.structure, law=own)
    Fit(structure, changed(small_fit, law="own").tree).save(path)
    message = refusal(bs.load, path)
    assert "law 'own'" in message
    assert "law=" in message
    loaded = bs.load(path, law=own)
    assert loaded.law is own
    xr.testing.assert_identical(loaded.optimum(1e24)["N_opt"], small_fit.optimum(1e24)["N_opt"])


def test_another_law_than_the_saved_one_is_refused(path: Path, put: Put, small_fit: Fit) -> None:
    put(small_fit, path)
    twin = replace(LAWS["coupled"], name="twin")  # with parameters of equal names
    message = refusal(bs.load, path, law=twin)
    assert "law 'coupled'" in message
    assert "'twin'" in message


def test_a_likelihood_of_your_own_has_to_be_passed(path: Path, small_fit: Fit) -> None:
    own = replace(small_fit.likelihood, name="own")
    structure = replace(small_fit.structure, likelihood=own)
    Fit(structure, changed(small_fit, likelihood="own").tree).save(path)
    assert "likelihood=" in refusal(bs.load, path)
    loaded = bs.load(path, likelihood=own)
    assert loaded.likelihood is own
    assert_frame_equal(loaded.summary(), small_fit.summary())
