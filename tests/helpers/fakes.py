"""A fake archive, and a fake measurement that fills a few columns, for surveys without pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.errors import BadFileError, MissingProductError, ServiceUnreachableError, UnknownDatasetError
from wfc3tvb.models import Measurement, ReadCube, Row
from wfc3tvb.schema import TABLES

N_READS = 3


@dataclass(frozen=True)
class FakeSource:
    """`n` exposures in associations of four; `broken` are bad, `down` cannot be fetched, `absent` are not there."""

    n: int
    broken: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    generation: float = 57000.0
    name: str = "simulated"
    prefetch: int = 0

    def rootnames(self) -> list[str]:
        return [rootname(i) for i in range(self.n)]

    def shared_by(self, n_workers: int) -> FakeSource:
        return self

    def datasets(self, selection: Selection) -> Iterator[Row]:
        roots = self.rootnames()
        known = set()
        for start in range(0, self.n, 4):
            members = roots[start : start + 4]
            name = members[0][:6] + "010"
            known |= {name, *members}
            if selection.ids and not {name, *members} & set(selection.ids):
                continue
            row = {"dataset": name, "asn_id": name, "filters": "F105W", "members": members}
            yield TABLES["datasets"].empty_row() | row | {"generation_date": self.generation}
        for name in selection.ids:
            if name not in known:
                raise UnknownDatasetError(name, self.name)

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, None]:
        if rootname in self.broken:
            raise BadFileError(rootname, "is broken", "fetch it again")
        if rootname in self.down:
            raise ServiceUnreachableError("archive", "no answer")
        if rootname in self.absent:
            raise MissingProductError("archive", f"refused access to {rootname}")
        rate = np.full((N_READS, 1, 1), int.from_bytes(rootname[2:7].encode()) % 1000 / 1000, dtype=np.float32)
        t = np.arange(1.0, N_READS + 1) * 100
        dq = np.zeros(rate.shape, dtype=np.int16)
        return ReadCube(rootname, {}, t, t, rate, dq, np.arange(1), (1, 1), (1, 1), n_bytes=10), None

    def cost(
        self, rootname: str, settings: MeasureSettings, *, aperture: str | None, n_reads: float
    ) -> tuple[float, float]:
        return 2, 10

    def changed_at(self, rootname: str) -> float | None:
        return None


def rootname(i: int) -> str:
    """Return the i-th rootname: four exposures a visit."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    visit, n = divmod(i, 4)
    code = "".join(letters[visit // 26**k % 26] for k in (3, 2, 1, 0))
    return f"ia{code}a{n}q"


def measure_fake(cube: ReadCube, orbit: None, settings: MeasureSettings) -> Measurement:
    """Return rows with the sky of a fake cube; the first of four exposures is flagged."""
    root, sky = cube.rootname, float(cube.rate[0, 0, 0])
    hit = root[7] == "0"
    exposure = TABLES["exposures"].empty_row() | {
        "rootname": root, "visit": root[:6], "filter": "F105W", "sky_mean": sky, "flagged": hit,
        "tvb_class": "severe" if hit else "none", "quality_flags": [], "affected_reads": [1] if hit else [],
    }  # fmt: skip
    reads = [
        TABLES["reads"].empty_row() | {"rootname": root, "read": i + 1, "t_end": float(t), "rate": sky}
        for i, t in enumerate(cube.t)
    ]
    return Measurement(exposure, reads)
