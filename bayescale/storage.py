"""Fits on disk, as Zarr or NetCDF: written whole or not at all, read back exactly.

A saved fit holds draws, runs and provenance, and the names of law and likelihood. Reading it looks
those up; nothing in it is ever executed.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pymc as pm
import xarray as xr

from bayescale.errors import DataError
from bayescale.fitting import Fit
from bayescale.law import Law, Prior
from bayescale.likelihood import LikelihoodFactory, likelihood_named
from bayescale.model import Pool, Structure

FORMAT = 1
SUFFIXES = (".zarr", ".nc")


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
    tree.attrs["bayescale_format"] = FORMAT
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".bayescale-") as folder:
            fresh = Path(folder) / f"fit{target.suffix}"
            _write(tree, fresh)
            _put(fresh, target, Path(folder) / "old")
    except OSError as error:
        raise DataError(
            f"cannot save to {target} ({error}); expected a folder that can be written to, with "
            "room. What stood there before is untouched."
        ) from error


def check_target(path: str | os.PathLike[str]) -> Path:
    """Refuse, before anything is computed, a path that a fit cannot be saved to."""
    target = Path(path)
    _suffix(target)
    if not target.parent.is_dir():
        raise DataError(
            f"cannot save to {target}: there is no folder {target.parent}; expected one that "
            "exists. Create it first."
        )
    if target.is_dir():
        _open(target)  # a directory that is no fit is not replaced
    return target


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
    from bayescale.models import law_named

    tree = _open(Path(path))
    attrs = tree.attrs
    found_law = law or law_named(attrs["law"])
    found = (likelihood or likelihood_named(attrs["likelihood"]))(found_law.inputs)
    return Fit(_structure(tree, found_law, found), tree)


def _structure(tree: xr.DataTree, law: Law, likelihood: Any) -> Structure:
    by = tree.attrs["by"] or None
    own = {**law.priors, **likelihood.priors}
    saved = json.loads(tree.attrs["priors"])
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
        groups=tuple(map(str, tree["posterior"].to_dataset()[by].to_numpy())) if by else (),
        pool=tuple((name, Pool(kind)) for name, kind in json.loads(tree.attrs["pool"]).items()),
    )


def _prior(own: Prior, said: dict[str, Any]) -> Prior:
    """Read a prior: the law's own with the saved numbers, or the one that replaced it."""
    distribution = own.distribution
    if said["distribution"] != distribution.__name__:
        distribution = getattr(pm, said["distribution"], None)
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
    if not path.exists():
        raise DataError(f"there is no {path}; expected a saved fit. Check the path.")
    engine = "zarr" if suffix == ".zarr" else "h5netcdf"
    try:
        with xr.open_datatree(path, engine=engine) as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}); expected a fit saved by "
            "bayescale. If it was cut short, fit again and save it anew."
        ) from error
    if tree.attrs.get("bayescale_format") != FORMAT:
        raise DataError(
            f"{path} has format {tree.attrs.get('bayescale_format')!r}; expected {FORMAT}, a fit "
            "saved by this version of bayescale. Fit again, or use the version that saved it."
        )
    return tree
