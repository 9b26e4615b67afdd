"""`rushes.load`: opens a model by its name in the model store, or by its folder."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from rushes.bundle.manifest import MANIFEST, Bundle, read_head
from rushes.errors import NothingFitsError
from rushes.pull.folder_registry import FolderRegistry
from rushes.pull.selection import parse_wanted
from rushes.store.store import default_store, find_model, in_use, pull_hint, use_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rushes.expression.model import ExpressionModel
    from rushes.scene.model import SceneModel
    from rushes.script.model import ScriptModel
    from rushes.tracking.model import TrackingModel

Place = str | os.PathLike[str]


@overload
def load(
    model: Literal["expression", "expression@champion"],
    *,
    store: Place | None = None,
    trust: Sequence[Place] | None = None,
    uncertified: bool = False,
) -> ExpressionModel: ...


@overload
def load(
    model: Literal["scene", "scene@champion"],
    *,
    store: Place | None = None,
    trust: Sequence[Place] | None = None,
    uncertified: bool = False,
) -> SceneModel: ...


@overload
def load(
    model: Literal["script", "script@champion"],
    *,
    store: Place | None = None,
    trust: Sequence[Place] | None = None,
    uncertified: bool = False,
) -> ScriptModel: ...


@overload
def load(
    model: Literal["tracking", "tracking@champion"],
    *,
    store: Place | None = None,
    trust: Sequence[Place] | None = None,
    uncertified: bool = False,
) -> TrackingModel: ...


@overload
def load(
    model: Place, *, store: Place | None = None, trust: Sequence[Place] | None = None, uncertified: bool = False
) -> Any: ...  # noqa: ANN401  # the family is known only when the bundle is read


def load(
    model: Place, *, store: Place | None = None, trust: Sequence[Place] | None = None, uncertified: bool = False
) -> Any:
    """Opens a pulled model, ready to run.

    Checks the hash of every file, the certificate, the signature and, on first use on a machine, the reference
    outputs. Does not fetch anything: use `rushes pull`.

    >>> import rushes
    >>> rushes.load("expression@champion").labels
    ('angry', 'happy', 'sad')

    Args:
        model: A name such as `expression` (the version pulled last), `expression@champion` or `expression@7`; or the
            folder of a bundle, as a `Path` or as a text with a separator in it.
        store: Folder of the model store in which names are looked up, or of one bundle; by default RUSHES_MODELS, or
            the user's data folder.
        trust: Public keys, or folders of them, one of which must have signed the model; by default RUSHES_TRUST, or the
            keys in the user's configuration.
        uncertified: True to accept a model without a certificate if no key is trusted.

    Returns:
        Depending on the family: `rushes.expression.model.ExpressionModel`, `rushes.scene.model.SceneModel`,
        `rushes.script.model.ScriptModel` or `rushes.tracking.model.TrackingModel`.

    Raises:
        MisuseError: `model` is neither the name of a model nor a folder, or a key cannot be read.
        NothingFitsError: The model does not exist.
        BundleError: The bundle is damaged, has no certificate, is not signed by a trusted key, or gives other outputs
            on this machine.
    """
    folder = find_folder(model, store)
    return open_model(
        use_bundle(folder, trust=None if trust is None else list(map(Path, trust)), uncertified=uncertified)
    )


def open_model(bundle: Bundle) -> Any:  # noqa: ANN401  # see load
    """Opens a bundle with the runtime of its family.

    Raises:
        NothingFitsError: This version of Rushes has no runtime for the family.
        BundleError: The manifest or a graph is not one of that family.
    """
    family = bundle.manifest.family
    if family not in families():
        message = f"{bundle.folder} is a bundle of the family {family!r}; this version runs {', '.join(families())}"
        raise NothingFitsError(message, "update rushes")
    return importlib.import_module(f"rushes.{family}.model").open_model(bundle)


def families() -> list[str]:
    """Families that this version can run: the packages that have a module `model`."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/model.py"))


def find_folder(model: Place, store: Place | None = None) -> Path:
    """Folder of the bundle that `load` opens; see `load` for the arguments.

    Raises:
        MisuseError: The argument is neither the name of a model nor a folder.
        NothingFitsError: The bundle does not exist, or is of another family.
    """
    if isinstance(model, str) and Path(model).name == model:
        return find_named(model, None if store is None else Path(store))
    folder = Path(model).expanduser()
    found = bundle_in(folder)
    if found is None:
        message = f"{folder} holds no bundle: name the folder of one, or a model such as expression@champion"
        raise NothingFitsError(message)
    return found


def bundle_in(folder: Path) -> Path | None:
    """Bundle in a folder, or the bundle in use in a family's folder; None if there is neither."""
    if (folder / MANIFEST).is_file():
        return folder
    found = in_use(folder)
    return found.folder if found else None


def find_named(wanted: str, store: Path | None = None) -> Path:
    """Folder of FAMILY, FAMILY@ALIAS or FAMILY@7 in a model store; in the default store if None.

    Raises:
        MisuseError: The argument is not the name of a model.
        NothingFitsError: The bundle does not exist, or is of another family.
    """
    asked, place = parse_wanted(wanted), store or default_store()
    if not place.is_dir():
        message = f"no {asked.name} model in {place}: fetch one with: {pull_hint(wanted, to=store)}"
        raise NothingFitsError(message)
    if not asked.alias and asked.version is None:
        found = find_model(store, asked.name)
    else:
        fetch = pull_hint(wanted, to=None if place == default_store() else place)
        found = Path(FolderRegistry(place, fetch).find(asked).place)
    family = read_head(found).manifest.family
    if family != asked.name:
        message = f"{found} is a bundle of the family {family!r}, not {asked.name!r}"
        raise NothingFitsError(message)
    return found
