"""Files of exposures from the folders that they were surveyed from, and of all others from an archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.archive.source import Downloads, folder_archive, open_source
from wfc3tvb.config import Services
from wfc3tvb.display import counted
from wfc3tvb.errors import BadArgumentError


@dataclass(frozen=True)
class SurveyedFolders:
    """Source of files that takes those of some names from folders.

    Attributes
    ----------
    folders : mapping
        Folder by rootname or name of an association.
    others : Downloads
        Archive of all other names.
    notes : tuple of str
        Where files are taken from, and folders that are gone.
    """

    folders: Mapping[str, FolderArchive]
    others: Downloads
    notes: tuple[str, ...] = ()

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Download a file from its source into `folder`; see `wfc3tvb.archive.source.Archive`."""
        return self.folders.get(rootname, self.others).download(rootname, suffix, folder)

    @property
    def references(self) -> Path | None:
        """Folder of the reference files beside simulated exposures; None where any exposure is not of that folder."""
        found = {each.references for each in self.folders.values()}
        return found.pop() if len(found) == 1 else None


def open_surveyed(
    surveyed: Mapping[str, Path],
    datasets: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    services: Services | None = None,
) -> SurveyedFolders:
    """Open the folders that exposures were surveyed from, and MAST and S3 for those without their RAW files.

    Parameters
    ----------
    surveyed : mapping
        Folder by rootname.
    datasets : iterable of pairs
        Exposures of each dataset, and the names of its association.
    services : Services, optional
        Addresses of S3 and MAST.

    Raises
    ------
    BadArgumentError
        If such a folder is gone.
    """
    folders: dict[str, FolderArchive] = {}
    for exposures, associations in datasets:
        beside = next((surveyed[name] for name in exposures if name in surveyed), None)
        places = {name: place for name in exposures if (place := surveyed.get(name, beside))}
        found = {name: each for name, place in places.items() if (each := _having(place, name))}
        folders |= found | {name: each for name in associations for each in found.values()}
    used = Counter(str(folders[name].folder) for name in surveyed if name in folders)
    notes = [
        f"files of {counted(n, 'exposure')}: from {path}, where they were surveyed" for path, n in sorted(used.items())
    ]
    if lacking := sorted({str(path) for name, path in surveyed.items() if name not in folders}):
        notes.append(f"{', '.join(lacking)} lacks RAW files; they come from the archive")
    return SurveyedFolders(folders, open_source(services=services), tuple(notes))


def _having(path: Path, name: str) -> FolderArchive | None:
    """Return the folder of an exposure if it has its RAW file, or is simulated: no archive has that exposure."""
    if not path.is_dir():
        remedy = "name another with --source, or mast for the archive's files"
        raise BadArgumentError(f"the folder {path}, from which {name} was surveyed, is gone; {remedy}")
    archive = folder_archive(path)
    return archive if archive.name == "simulated" or archive.path(name, "raw") else None
