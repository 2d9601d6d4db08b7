"""Fits on disk: written whole or not at all, read back exactly, and never believed blindly."""

import json
import shutil
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
from bayescale import storage
from bayescale.errors import DataError
from bayescale.fitting import Fit, fit
from bayescale.likelihood import Likelihood, normal
from bayescale.models import LAWS
from bayescale.priors import Prior
from bayescale.runs import digest

ENDINGS = pytest.mark.parametrize("name", ["fit.zarr", "fit.nc"])


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
        likelihood=normal,
        priors={
            "alpha": Prior(pm.HalfNormal, sigma=0.5),
            "beta": Prior(pm.LogNormal, mu=-1, sigma=1),
        },
        by="corpus",
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
    found: Fit = request.getfixturevalue(name)
    return found


Put = Callable[[Fit, Path], None]


@pytest.fixture(scope="session")
def put(tmp_path_factory: pytest.TempPathFactory) -> Put:
    """Put a saved fit somewhere; each is saved once and copied from then on."""
    folder = tmp_path_factory.mktemp("saved")
    made: dict[tuple[Fit, str], Path] = {}

    def copy(fitted: Fit, path: Path) -> None:
        key = (fitted, path.suffix)
        if key not in made:
            made[key] = folder / f"{len(made)}{path.suffix}"
            fitted.save(made[key])
        if path.suffix == ".zarr":
            shutil.copytree(made[key], path)
        else:
            shutil.copyfile(made[key], path)

    return copy


def changed(fitted: Fit, **attrs: Any) -> Fit:
    """The same fit, with other attributes or without them (None)."""
    tree = fitted.tree.copy()
    merged = {**tree.attrs, **attrs}
    tree.attrs = {name: value for name, value in merged.items() if value is not None}
    return replace(fitted, tree=tree)


def contents(path: Path) -> dict[str, bytes]:
    """Every file at or below a path."""
    return {
        str(p.relative_to(path)): p.read_bytes() for p in [path, *path.rglob("*")] if p.is_file()
    }


def refusal(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(DataError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


@ENDINGS
def test_every_group_and_attribute_comes_back(
    tmp_path: Path, put: Put, fitted: Fit, name: str
) -> None:
    put(fitted, tmp_path / name)
    loaded = bs.load(tmp_path / name)
    assert list(loaded.tree.children) == list(fitted.tree.children)
    for group in fitted.tree.children:
        before, after = (f.tree[group].to_dataset() for f in (fitted, loaded))
        xr.testing.assert_identical(after, before)
        assert list(after) == list(before)
    assert loaded.tree.attrs == fitted.tree.attrs
    assert list(loaded.tree.attrs) == list(fitted.tree.attrs)


@ENDINGS
def test_the_structure_comes_back(tmp_path: Path, put: Put, fitted: Fit, name: str) -> None:
    put(fitted, tmp_path / name)
    before, after = fitted.structure, bs.load(tmp_path / name).structure
    assert after.key == before.key  # so a compiled model serves both
    assert (after.by, after.groups, after.pool) == (before.by, before.groups, before.pool)
    for (name_before, prior), (name_after, again) in zip(before.priors, after.priors, strict=True):
        assert name_after == name_before
        assert again.form == prior.form
        assert dict(again.parameters) == dict(prior.parameters)


@ENDINGS
def test_replaced_priors_come_back_as_what_they_are(
    tmp_path: Path, put: Put, grouped_fit: Fit, name: str
) -> None:
    put(grouped_fit, tmp_path / name)
    priors = dict(bs.load(tmp_path / name).structure.priors)
    assert priors["alpha"].distribution is pm.HalfNormal
    assert repr(priors["alpha"]) == "HalfNormal(sigma=0.5)"
    assert repr(priors["beta"]) == "LogNormal(mu=-1, sigma=1)"


@ENDINGS
def test_the_runs_come_back_with_every_column(
    tmp_path: Path, put: Put, grouped_fit: Fit, name: str
) -> None:
    put(grouped_fit, tmp_path / name)
    runs = bs.load(tmp_path / name).runs
    assert_frame_equal(runs, grouped_fit.runs)
    assert digest(runs) == grouped_fit.tree.attrs["runs_sha256"]
    assert list(runs)[4:] == ["corpus", "run", "tokens/param", "warm", ".%2F", "note", "day"]
    assert runs["corpus"].tolist()[:2] == ["web/学", "bücher"]
    assert runs["run"].tolist() == list(range(90))
    assert (runs["tokens/param"].dtype, runs["warm"].dtype) == (np.int16, np.bool_)
    assert runs["note"].tolist()[:5] == ["0\t[é]", "", "", "", "4\t[é]"]
    assert runs["day"].iloc[1] == "2026-01-02 00:00:00"


@ENDINGS
def test_answers_are_the_same_before_and_after(
    tmp_path: Path, put: Put, fitted: Fit, name: str
) -> None:
    put(fitted, tmp_path / name)
    loaded = bs.load(tmp_path / name)
    assert_frame_equal(loaded.summary(), fitted.summary())
    assert (loaded.verdict, loaded.warnings) == (fitted.verdict, fitted.warnings)
    assert (loaded.seconds, loaded.random_seed) == (fitted.seconds, fitted.random_seed)
    xr.testing.assert_identical(loaded.optimum([1e22, 1e24]), fitted.optimum([1e22, 1e24]))
    points = {"params": [1e9, 1e10], "tokens": [2e10, 2e11]}
    if fitted.structure.by:
        points["corpus"] = ["web/学", "bücher"]
    xr.testing.assert_identical(loaded.predict(points), fitted.predict(points))
    assert repr(loaded) == repr(fitted)


@ENDINGS
@pytest.mark.parametrize("other", ["again.zarr", "again.nc"])
def test_a_fit_read_from_disk_can_be_saved_again(
    tmp_path: Path, put: Put, grouped_fit: Fit, name: str, other: str
) -> None:
    put(grouped_fit, tmp_path / name)
    bs.load(tmp_path / name).save(tmp_path / other)
    again = bs.load(tmp_path / other)
    assert_frame_equal(again.runs, grouped_fit.runs)
    assert_frame_equal(again.summary(), grouped_fit.summary())
    assert again.tree.attrs == grouped_fit.tree.attrs


@ENDINGS
def test_divergences_with_their_messages_are_saved(
    tmp_path: Path, small_fit: Fit, name: str
) -> None:
    tree = small_fit.tree.copy()
    stats = tree["sample_stats"].to_dataset()
    messages = np.full(stats["diverging"].shape, None, dtype=object)
    messages[0, 3] = "energy error"
    tree["sample_stats"] = xr.DataTree(
        stats.assign(
            diverging=stats["diverging"].copy(data=messages != None),  # noqa: E711 (elementwise)
            divergence_message=(("chain", "draw"), messages),
        )
    )
    replace(small_fit, tree=tree).save(tmp_path / name)
    loaded = bs.load(tmp_path / name)
    assert loaded.tree["sample_stats"]["divergence_message"].to_numpy()[0, 3] == "energy error"
    assert any("divergences: 1 of" in reason for reason in loaded.verdict.reasons)


@ENDINGS
def test_saving_over_a_fit_replaces_it_whole(
    tmp_path: Path, put: Put, small_fit: Fit, grouped_fit: Fit, name: str
) -> None:
    put(grouped_fit, tmp_path / name)
    small_fit.save(tmp_path / name)
    put(small_fit, tmp_path / f"fresh_{name}")
    if name.endswith(".zarr"):
        found, fresh = contents(tmp_path / name), contents(tmp_path / f"fresh_{name}")
        assert found.keys() == fresh.keys()
        # Zarr lists what it wrote in the order in which its tasks ended.
        assert [n for n in fresh if found[n] != fresh[n] and n != ".zmetadata"] == []
    assert_frame_equal(bs.load(tmp_path / name).summary(), small_fit.summary())
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, f"fresh_{name}"]


def half_written(tree: xr.DataTree, path: Path) -> None:
    if path.suffix == ".zarr":
        path.mkdir()
        (path / ".zgroup").write_text("{")
    else:
        path.write_bytes(b"\x89HDF")
    raise OSError(28, "No space left on device")


def cannot_move(fresh: Path, target: Path, aside: Path) -> None:
    raise PermissionError(13, "Permission denied")


@ENDINGS
@pytest.mark.parametrize(
    ("function", "failing", "word"),
    [("_write", half_written, "No space left"), ("_put", cannot_move, "Permission denied")],
    ids=["while writing", "while moving"],
)
def test_a_failure_leaves_the_old_fit_and_nothing_else(
    tmp_path: Path,
    put: Put,
    small_fit: Fit,
    grouped_fit: Fit,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    function: str,
    failing: Callable[..., None],
    word: str,
) -> None:
    put(grouped_fit, tmp_path / name)
    before = contents(tmp_path)
    monkeypatch.setattr(storage, function, failing)
    message = refusal(small_fit.save, tmp_path / name)
    assert word in message
    assert "untouched" in message
    assert contents(tmp_path) == before


def test_an_old_directory_steps_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, put: Put, small_fit: Fit, grouped_fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "fit.zarr"
    put(grouped_fit, target)
    before = contents(target)
    rename = storage.os.replace

    def fail_once(source: Path, goal: Path) -> None:
        if Path(source).name == "fit.zarr" and Path(source) != target:
            raise OSError(5, "Input/output error")
        rename(source, goal)

    monkeypatch.setattr(storage.os, "replace", fail_once)
    assert "Input/output error" in refusal(small_fit.save, target)
    assert contents(target) == before
    assert [p.name for p in tmp_path.iterdir()] == ["fit.zarr"]


def test_a_closed_folder_is_refused_before_anything_is_written(
    tmp_path: Path, small_fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.os, "access", lambda path, mode: False)  # root may write anywhere
    assert "not open for writing" in refusal(small_fit.save, tmp_path / "fit.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["fit", "fit.pkl", "fit.h5", "fit.nc.gz", "fit.ZARR"])
def test_other_endings_are_refused_both_ways(tmp_path: Path, small_fit: Fit, name: str) -> None:
    for refused in (small_fit.save, bs.load):
        message = refusal(refused, tmp_path / name)
        assert ".zarr, .nc" in message
        assert name in message
    assert list(tmp_path.iterdir()) == []


def foreign(path: Path) -> None:
    """Write somebody else's data in either format."""
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("draw", [1.0, 2.0])})})
    if path.suffix == ".zarr":
        tree.to_zarr(path, zarr_format=2, consolidated=True)
    else:
        tree.to_netcdf(path, engine="h5netcdf")


@ENDINGS
def test_foreign_data_are_neither_read_nor_replaced(
    tmp_path: Path, small_fit: Fit, name: str
) -> None:
    path = tmp_path / name
    foreign(path)
    before = contents(tmp_path)
    assert "format None" in refusal(bs.load, path)
    assert "no fit" in refusal(small_fit.save, path)
    assert contents(tmp_path) == before


@ENDINGS
@pytest.mark.parametrize("kind", ["directory", "text"])
def test_what_is_no_fit_is_neither_read_nor_replaced(
    tmp_path: Path, small_fit: Fit, name: str, kind: str
) -> None:
    path = tmp_path / name
    if kind == "directory":
        path.mkdir()
        (path / "mine.txt").write_text("mine")
    else:
        path.write_text("mine")
    before = contents(tmp_path)
    assert f"{name} cannot be read" in refusal(bs.load, path)
    assert "Choose another name" in refusal(small_fit.save, path)
    assert contents(tmp_path) == before


@ENDINGS
def test_nothing_there_is_refused(tmp_path: Path, name: str) -> None:
    assert "Check the path" in refusal(bs.load, tmp_path / name)


@pytest.mark.parametrize("part", [0.001, 0.3, 0.9, 0.999])
def test_a_cut_netcdf_file_is_refused(
    tmp_path: Path, put: Put, small_fit: Fit, part: float
) -> None:
    path = tmp_path / "fit.nc"
    put(small_fit, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    assert "cut short" in refusal(bs.load, path)


@pytest.mark.parametrize("group", ["posterior", "runs", "loo"])
def test_a_zarr_directory_without_a_group_is_refused(
    tmp_path: Path, put: Put, small_fit: Fit, group: str
) -> None:
    path = tmp_path / "fit.zarr"
    put(small_fit, path)
    shutil.rmtree(path / group)
    assert "fit.zarr" in refusal(bs.load, path)


@ENDINGS
def test_a_changed_number_is_refused(tmp_path: Path, put: Put, small_fit: Fit, name: str) -> None:
    path = tmp_path / name
    put(small_fit, path)
    tree = xr.open_datatree(path, engine="zarr" if name == "fit.zarr" else "h5netcdf").load()
    tree.close()
    tree = tree.map_over_datasets(lambda group: group.drop_encoding())
    alpha = tree["posterior"].to_dataset()["alpha"]
    alpha[1, 7] *= 1.000001
    tree["posterior"] = xr.DataTree(tree["posterior"].to_dataset().assign(alpha=alpha))
    storage._write(tree, tmp_path / f"changed_{name}")
    assert "posterior has other alpha" in refusal(bs.load, tmp_path / f"changed_{name}")


def test_damaged_zarr_data_are_refused(tmp_path: Path, put: Put, small_fit: Fit) -> None:
    path = tmp_path / "fit.zarr"
    put(small_fit, path)
    chunk = path / "posterior" / "alpha" / "0.0"
    chunk.write_bytes(chunk.read_bytes()[:-20])
    assert "fit.zarr" in refusal(bs.load, path)


@ENDINGS
@pytest.mark.parametrize("format_number", [0, 2])
def test_another_format_number_is_refused(
    tmp_path: Path,
    small_fit: Fit,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    format_number: int,
) -> None:
    with monkeypatch.context() as future:
        future.setattr(storage, "FORMAT", format_number)
        small_fit.save(tmp_path / name)
    message = refusal(bs.load, tmp_path / name)
    assert f"format {format_number};" in message
    assert "version" in message


# Attributes to change, and what has to be said of them.
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
    "seconds no JSON": ({"seconds": ""}, "damaged"),
    "by another column": ({"by": "flops"}, "flops"),
    "other runs": ({"runs_sha256": "0" * 64}, "other runs"),
}


@pytest.mark.parametrize(("attrs", "word"), TAMPERED.values(), ids=TAMPERED)
def test_damaged_attributes_are_refused(
    tmp_path: Path, small_fit: Fit, attrs: dict[str, Any], word: str
) -> None:
    changed(small_fit, **attrs).save(tmp_path / "fit.nc")
    message = refusal(bs.load, tmp_path / "fit.nc")
    assert word in message


def test_an_attribute_changed_in_the_file_itself_is_refused(
    tmp_path: Path, put: Put, small_fit: Fit
) -> None:
    path = tmp_path / "fit.nc"
    put(small_fit, path)
    with h5py.File(path, "r+") as file:
        file.attrs["contents"] = '{"posterior": {"alpha"'
    assert "fit.nc is damaged" in refusal(bs.load, path)


@pytest.mark.parametrize(
    "distribution",
    ["Model", "__builtins__", "sample", "math", "Distribution.dist", "no_such", "", 3, None, []],
)
def test_a_prior_that_is_no_distribution_is_refused_and_never_called(
    tmp_path: Path, small_fit: Fit, monkeypatch: pytest.MonkeyPatch, distribution: Any
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
    changed(small_fit, priors=json.dumps(priors)).save(tmp_path / "fit.nc")
    message = refusal(bs.load, tmp_path / "fit.nc")
    said = f"has a prior {distribution!r}" if isinstance(distribution, str) else "is damaged"
    assert said in message
    assert called == []


@pytest.mark.parametrize(
    "parameters",
    [{"mu": "0"}, {"mu": None}, {"nu": 1.0}, {"mu": [1.0, 2.0]}, {"parts": ["a"]}, [1.0], "mu"],
)
def test_a_prior_with_numbers_it_cannot_have_is_refused(
    tmp_path: Path, small_fit: Fit, parameters: Any
) -> None:
    priors = json.loads(small_fit.tree.attrs["priors"])
    priors["alpha"]["parameters"] = parameters
    changed(small_fit, priors=json.dumps(priors)).save(tmp_path / "fit.nc")
    assert "fit.nc is damaged" in refusal(bs.load, tmp_path / "fit.nc")


@ENDINGS
def test_a_law_of_ones_own_has_to_be_passed(tmp_path: Path, small_fit: Fit, name: str) -> None:
    own = replace(LAWS["coupled"], name="own")
    made = replace(small_fit.structure, law=own)
    Fit(made, changed(small_fit, law="own").tree).save(tmp_path / name)
    message = refusal(bs.load, tmp_path / name)
    assert "law 'own'" in message
    assert "law=" in message
    loaded = bs.load(tmp_path / name, law=own)
    assert loaded.law is own
    xr.testing.assert_identical(loaded.optimum(1e24)["N_opt"], small_fit.optimum(1e24)["N_opt"])


def test_another_law_than_the_saved_one_is_refused(
    tmp_path: Path, put: Put, small_fit: Fit
) -> None:
    put(small_fit, tmp_path / "fit.nc")
    twin = replace(LAWS["coupled"], name="twin")  # the same parameters under another name
    message = refusal(bs.load, tmp_path / "fit.nc", law=twin)
    assert "law 'coupled'" in message
    assert "'twin'" in message


def test_a_likelihood_of_ones_own_has_to_be_passed(tmp_path: Path, small_fit: Fit) -> None:
    def own(inputs: tuple[str, ...]) -> Likelihood:
        return replace(small_fit.likelihood, name="own")

    made = replace(small_fit.structure, likelihood=own(small_fit.law.inputs))
    Fit(made, changed(small_fit, likelihood="own").tree).save(tmp_path / "fit.zarr")
    assert "likelihood=" in refusal(bs.load, tmp_path / "fit.zarr")
    loaded = bs.load(tmp_path / "fit.zarr", likelihood=own)
    assert loaded.likelihood.name == "own"
    assert_frame_equal(loaded.summary(), small_fit.summary())
