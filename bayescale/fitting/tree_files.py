"""Trees of draws on disk, as NetCDF: written whole or not at all, read back exactly.

A file holds the SHA-256 of all that was saved, so that a changed byte does not go unnoticed.
"""

import glob
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import xarray as xr

from bayescale.errors import DataError

FORMAT = 2
SUFFIX = ".nc"


def save_tree(tree: xr.DataTree, path: str | os.PathLike[str]) -> None:
    """Write a tree to a ``.nc`` file, in place of a saved fit at that path.

    The file is written beside its place, and moved there when it is complete.

    Parameters
    ----------
    tree : DataTree
        Of a fit.
    path : path
        Ending in ``.nc``.

    Raises
    ------
    DataError
        If the file has another ending, the folder does not exist, or the disk refuses it.
    """
    target = check_target(path)
    saved = tree.copy()
    saved.attrs |= {
        "bayescale_format": FORMAT,
        "contents": json.dumps(_digests(tree)),
        "attributes": _digest(_attributes(tree)),
    }
    try:
        _remove_abandoned(target.parent)
        prefix = f"{drafts()}{os.getpid()}-"
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as folder:
            draft = Path(folder) / target.name
            saved.to_netcdf(draft, engine="h5netcdf")
            os.replace(draft, target)
    except (OSError, ValueError) as error:  # the disk, or text that is not Unicode
        raise DataError(
            f"cannot save to {target} ({error}); expected a folder that can be written to, with "
            "room. The file that was there before is unchanged."
        ) from error


def drafts() -> str:
    """Return how folders of unfinished files begin that were made on this machine."""
    return f".bayescale-{platform.node().replace('/', '')}-"


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes left that were killed while they saved."""
    for left in folder.glob(f"{glob.escape(drafts())}*"):
        process = left.name.removeprefix(drafts()).partition("-")[0]
        if os.name != "posix" or not process.isdecimal():
            continue
        try:
            os.kill(int(process), 0)  # asks whether it is alive
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except OSError:  # alive, and somebody else's
            continue


def check_target(path: str | os.PathLike[str]) -> Path:
    """Path that a fit can be saved to; anything else is refused before it is computed.

    Raises
    ------
    DataError
        If the ending is another, the folder does not exist, or the file at the path is no fit.
    """
    target = Path(path)
    _check_suffix(target)
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
        try:
            open_tree(target)
        except DataError as error:
            raise DataError(
                f"cannot save to {target}: the file there is no fit that this version of bayescale "
                "can read; expected a free name, or a saved fit to replace. Choose another name, "
                "or remove it first."
            ) from error
    return target


def open_tree(path: Path) -> xr.DataTree:
    """Read a saved tree into memory.

    Raises
    ------
    DataError
        If it cannot be read, or was not saved by this version of bayescale.
    """
    _check_suffix(path)
    if not os.path.exists(path):
        raise DataError(f"there is no {path}; expected a saved fit. Check the path.")
    try:
        h5py.File(path).close()  # one error for a file that is not HDF5; h5netcdf gives two
        with xr.open_datatree(path, engine="h5netcdf") as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}: {error}); expected a fit saved by "
            "bayescale. If it was cut short, fit again and save it again."
        ) from error
    if tree.attrs.get("bayescale_format") != FORMAT:
        raise DataError(
            f"{path} has format {tree.attrs.get('bayescale_format')}; expected {FORMAT}, a fit "
            "saved by this version of bayescale. Fit again, or use the version that saved it."
        )
    return tree


def saved_tree(opened: xr.DataTree) -> xr.DataTree:
    """The tree that was saved, in its own order.

    Raises
    ------
    KeyError, ValueError
        If a variable or an attribute is missing or has changed.
    """
    attrs = dict(opened.attrs)
    del attrs["bayescale_format"]
    contents, attributes = json.loads(attrs.pop("contents")), attrs.pop("attributes")
    groups = {
        name: opened[name].to_dataset()[list(names)].drop_encoding()
        for name, names in contents.items()
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = attrs
    if _digest(_attributes(tree)) != attributes:
        raise ValueError("it has other attributes than were saved")
    for name, digests in _digests(tree).items():
        changed = [n for n, saved in contents[name].items() if saved != digests[n]]
        if changed:
            raise ValueError(f"{name} has other {', '.join(changed)} than were saved")
    return tree


def _digests(tree: xr.DataTree) -> dict[str, dict[str, str]]:
    """Variables of each group in their order, with the SHA-256 of values and attributes."""
    return {
        name: {
            str(variable): _digest(values.attrs, values, *values.coords.values())
            for variable, values in group.data_vars.items()
        }
        for name, group in tree.children.items()
    }


def _attributes(tree: xr.DataTree) -> dict[str, Any]:
    """Attributes of a tree, and of its groups with the group's name before theirs."""
    own = {str(name): value for name, value in tree.attrs.items()}
    groups = tree.children.items()
    return own | {f"{group}/{n}": x for group, node in groups for n, x in node.attrs.items()}


def _digest(attrs: Mapping[Any, Any], *arrays: xr.DataArray) -> str:
    """SHA-256 of attributes and arrays."""
    # NetCDF does not tell a number from a list of one, nor kinds of missing text.
    plain = {str(name): np.ravel(value).tolist() for name, value in attrs.items()}
    sha = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for array in sorted(arrays, key=lambda array: str(array.name)):
        values = array.to_numpy()
        # A variable of nothing but missing text comes back as missing numbers.
        if values.dtype.kind not in "biuf" or pd.isna(values).all():
            text = ["" if pd.isna(value) else str(value) for value in values.ravel().tolist()]
            values = np.frombuffer(json.dumps(text).encode(), dtype="uint8")
        sha.update(np.ascontiguousarray(values))
    return sha.hexdigest()


def _check_suffix(path: Path) -> None:
    if path.suffix != SUFFIX:
        raise DataError(
            f"{path} ends in {path.suffix!r}; expected {SUFFIX}. Name it fit.nc, for example."
        )
