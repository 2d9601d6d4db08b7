"""Fits on disk, as Zarr or NetCDF: written whole or not at all, read back exactly.

A saved fit holds draws, runs and provenance, and the names of law and likelihood. Reading it looks
those up; nothing in it is ever executed.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import numpy as np
import pymc as pm
import xarray as xr

from bayescale.clusters import clusters_of
from bayescale.errors import DataError, LawError
from bayescale.fitting import Fit
from bayescale.grouping import Pool
from bayescale.law import Law
from bayescale.likelihood import LikelihoodFactory
from bayescale.likelihoods import likelihood_named
from bayescale.priors import Prior
from bayescale.runs import digest
from bayescale.structure import Structure
from bayescale.trees import runs_of

FORMAT = 1
SUFFIXES = (".zarr", ".nc")
GROUPS = (
    *("posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data"),
    *("extrapolation", "loo", "runs"),
)


def save(fit: Fit, path: str | os.PathLike[str]) -> None:
    """Write a fit to a ``.zarr`` directory or a ``.nc`` file, replacing what stood there.

    The new one is written beside the old one and takes its place when it is complete.

    Raises
    ------
    DataError
        If the ending is neither, the folder is not there, or the disk does not take it.
    """
    target = check_target(path)
    tree = fit.tree.copy()
    tree.attrs |= {"bayescale_format": FORMAT, "contents": json.dumps(_contents(tree))}
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".bayescale-") as folder:
            fresh = Path(folder) / f"fit{target.suffix}"
            _write(tree, fresh)
            _put(fresh, target, Path(folder) / "old")
    except (OSError, ValueError) as error:  # the disk, or text that is not Unicode
        raise DataError(
            f"cannot save to {target} ({error}); expected a folder that can be written to, with "
            "room. What stood there before is untouched."
        ) from error


def check_target(path: str | os.PathLike[str]) -> Path:
    """Refuse, before anything is computed, a path that a fit cannot be saved to."""
    target = Path(path)
    _suffix(target)
    if not os.path.isdir(target.parent):
        raise DataError(
            f"cannot save to {target}: there is no folder {target.parent}; expected one that "
            "exists. Create it first."
        )
    if not os.access(target.parent, os.W_OK):
        raise DataError(
            f"cannot save to {target}: the folder {target.parent} is not open for writing; "
            "expected one that is. Choose another, or change its permissions."
        )
    if os.path.exists(target):
        _check_replaceable(target)
    return target


def _check_replaceable(target: Path) -> None:
    try:
        _open(target)
    except DataError as error:
        raise DataError(
            f"cannot save to {target}: what stands there is no fit that this version of bayescale "
            "can read; expected a free name, or a saved fit to replace. Choose another name, or "
            "remove it first."
        ) from error


def _write(tree: xr.DataTree, path: Path) -> None:
    if path.suffix == ".zarr":
        tree.to_zarr(path, zarr_format=2, consolidated=True)
    else:
        tree.to_netcdf(path, engine="h5netcdf")


def _put(fresh: Path, target: Path, aside: Path) -> None:
    """Rename into place; a directory cannot replace another, so that one steps aside first."""
    if target.is_dir() and not target.is_symlink():
        os.replace(target, aside)
        try:
            os.replace(fresh, target)
        except OSError:
            os.replace(aside, target)
            raise
    else:
        os.replace(fresh, target)


def load(
    path: str | os.PathLike[str],
    *,
    law: Law | None = None,
    likelihood: LikelihoodFactory | None = None,
) -> Fit:
    """Read a fit that was saved.

    Parameters
    ----------
    path : path
        A ``.zarr`` directory or ``.nc`` file.
    law, likelihood : optional
        Needed only if the fit was made with your own, which no registry knows.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        If there is no fit at the path, or it cannot be read.
    """
    opened = _open(Path(path))
    try:
        tree = _as_it_was(opened)
        found = _law(tree.attrs["law"], law)
        factory = _likelihood(found, tree.attrs["likelihood"], likelihood)
        fitted = Fit(_structure(tree, dict(tree.attrs), found, factory(found.inputs)), tree)
        _check_whole(fitted)
    except (KeyError, ValueError, TypeError, AttributeError, LawError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {error}); expected all that bayescale "
            "saved, as it was saved. Fit again and save it anew."
        ) from error
    return fitted


def _contents(tree: xr.DataTree) -> dict[str, dict[str, str]]:
    """The variables of each group in their order, with the SHA-256 of those that are numbers."""
    return {
        name: {str(n): _sha256(values) for n, values in group.data_vars.items()}
        for name, group in tree.children.items()
    }


def _sha256(values: xr.DataArray) -> str:
    if values.dtype.kind not in "biuf":
        return ""
    return hashlib.sha256(np.ascontiguousarray(values.to_numpy())).hexdigest()


def _as_it_was(opened: xr.DataTree) -> xr.DataTree:
    """The tree that was saved: all of it, unchanged, in its own order (Zarr sorts variables).

    A part of a Zarr directory that is lost reads as missing or zero, without a word.
    """
    attrs = dict(opened.attrs)
    del attrs["bayescale_format"]
    contents = json.loads(attrs.pop("contents"))
    groups = {
        name: opened[name].to_dataset()[list(names)].drop_encoding()
        for name, names in contents.items()
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = attrs
    for name, found in _contents(tree).items():
        wrong = [n for n, saved in contents[name].items() if saved and saved != found[n]]
        if wrong:
            raise ValueError(f"{name} has other {', '.join(wrong)} than were saved")
    return tree


def _law(name: str, given: Law | None) -> Law:
    from bayescale.models import LAWS

    if given is None and name not in LAWS:
        raise DataError(
            f"the saved fit is of law {name!r}, which is none of bayescale's own; expected the law "
            "it was made with. Pass it to bayescale.load(path, law=...)."
        )
    law = LAWS[name] if given is None else given
    if law.name != name:
        raise DataError(
            f"the saved fit is of law {name!r} and was to be read with {law.name!r}; expected the "
            "law it was made with. Pass that one, or none if it is one of bayescale's own."
        )
    return law


def _likelihood(law: Law, name: str, given: LikelihoodFactory | None) -> LikelihoodFactory:
    own = {one(law.inputs).name: one for one in law.likelihoods}
    try:
        return given or own.get(name) or likelihood_named(name)
    except LawError as error:
        raise DataError(
            f"the saved fit has likelihood {name!r}, which is none of bayescale's own; expected "
            "the one it was made with. Pass it to bayescale.load(path, likelihood=...)."
        ) from error


def _check_whole(fit: Fit) -> None:
    """Raise ValueError if part of a fit is missing, or its runs are not those it was made from."""
    missing = {*GROUPS} - {*fit.tree.children} or {*fit.law.coefficient_names} - {*fit.posterior}
    if missing:
        raise ValueError(f"without {', '.join(sorted(missing))}")
    if digest(fit.runs) != fit.tree.attrs["runs_sha256"]:
        raise ValueError("other runs than those the fit was made from")
    for name in ("warnings", "seconds", "versions"):
        json.loads(fit.tree.attrs[name])


def _structure(tree: xr.DataTree, attrs: Mapping[Any, Any], law: Law, likelihood: Any) -> Structure:
    by = attrs["by"] or None
    groups = tuple(map(str, tree["posterior"].to_dataset()[by].to_numpy())) if by else ()
    clusters = clusters_of(law, runs_of(tree), attrs["clusters"] or None, by)
    own = {**law.priors, **likelihood.priors, **(clusters.priors if clusters else {})}
    saved = json.loads(attrs["priors"])
    if set(saved) != set(own):
        raise DataError(
            f"the saved fit has parameters {sorted(saved)}; expected those of law {law.name!r}, "
            f"{sorted(own)}. Pass the law and likelihood it was made with to load()."
        )
    return Structure(
        law=law,
        likelihood=likelihood,
        priors=tuple((name, _prior(own[name], said)) for name, said in saved.items()),
        by=by,
        groups=groups,
        pool=tuple((name, Pool(kind)) for name, kind in json.loads(attrs["pool"]).items()),
        clusters=clusters,
        stage=_stage(tree, attrs, law),
    )


def _stage(tree: xr.DataTree, attrs: Mapping[Any, Any], law: Law) -> Structure | None:
    if law.stage is None:
        return None
    said = json.loads(attrs["stage"])
    factory = _likelihood(law.stage, said["likelihood"], None)
    made = _structure(tree, said, law.stage, factory(law.stage.inputs))
    return replace(made, within=law.stage.prefix)


def _prior(own: Prior, said: dict[str, Any]) -> Prior:
    """Read a prior: the law's own with the saved numbers, or the one that replaced it."""
    distribution = own.distribution
    if said["distribution"] != distribution.__name__:
        distribution = getattr(pm, said["distribution"], None)
        if not (isinstance(distribution, type) and issubclass(distribution, pm.Distribution)):
            raise DataError(
                f"the saved fit has a prior {said['distribution']!r}; expected a distribution of "
                "PyMC. Fit again and save it anew, or find out who changed the file."
            )
    return Prior(distribution, parts=own.parts, **said["parameters"])


def _suffix(path: Path) -> str:
    if path.suffix not in SUFFIXES:
        raise DataError(
            f"{path} ends in {path.suffix!r}; expected one of {', '.join(SUFFIXES)}. "
            "Name it fit.zarr or fit.nc, say."
        )
    return path.suffix


def _open(path: Path) -> xr.DataTree:
    """Read a tree into memory, and check that it is one of ours."""
    suffix = _suffix(path)
    if not os.path.exists(path):
        raise DataError(f"there is no {path}; expected a saved fit. Check the path.")
    engine = "zarr" if suffix == ".zarr" else "h5netcdf"
    try:
        if suffix == ".nc":
            h5py.File(path).close()  # complains of what is no HDF5 once; h5netcdf does so again
        with xr.open_datatree(path, engine=engine) as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}); expected a fit saved by "
            "bayescale. If it was cut short, fit again and save it anew."
        ) from error
    if tree.attrs.get("bayescale_format") != FORMAT:
        raise DataError(
            f"{path} has format {tree.attrs.get('bayescale_format')}; expected {FORMAT}, a fit "
            "saved by this version of bayescale. Fit again, or use the version that saved it."
        )
    return tree
