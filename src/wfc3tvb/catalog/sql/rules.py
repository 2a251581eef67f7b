"""Rules that the rows of a sound catalog keep, each a SELECT of the rows that break it."""

from __future__ import annotations

from dataclasses import dataclass

from wfc3tvb.schema import POSITIONS, RECOMMENDATIONS, TVB_CLASSES, TVB_KINDS
from wfc3tvb.schema.methods import METHODS

_AGAIN = "run the same survey again to measure them"


@dataclass(frozen=True)
class Rule:
    """Rule for rows: a SELECT of the keys (column ``key``) of rows that violate it, and the words for the result.

    What is `harmless` is said and passes.
    """

    check: str
    target: str
    needs: tuple[str, ...]
    sql: str
    problem: str
    remedy: str
    harmless: bool = False


# Rows are replaced only by later surveys, and never removed. Rows have been lost if a survey has fewer than it recorded
# and later surveys cannot have replaced the difference. The version of the table at the start of a survey gives their
# order, independent of clocks; surveys that overlap count as later than each other.
_STORED = """
WITH recorded AS (
    SELECT run_id, {recorded} AS n_recorded, coalesce({before}, 0) AS n_before, started_at, ended_at,
        CAST(arguments->>'$.version' AS BIGINT) AS version
    FROM runs WHERE command = 'survey'
), here AS (SELECT run_id, count(*) AS n_here FROM {table} GROUP BY run_id)
SELECT a.run_id AS key FROM recorded a LEFT JOIN here USING (run_id)
WHERE a.ended_at IS NOT NULL AND (
    n_before + n_recorded > (SELECT count(*) FROM {table})
    OR n_recorded - coalesce(n_here, 0) > (
        SELECT coalesce(sum(h.n_here), 0) FROM recorded b JOIN here h USING (run_id)
        WHERE b.run_id != a.run_id AND (b.ended_at IS NULL OR b.ended_at >= a.started_at
            OR coalesce(b.version >= a.version, true))))
"""

_SETS = {
    "tvb_class": TVB_CLASSES,
    "tvb_kind": TVB_KINDS,
    "recommend": RECOMMENDATIONS,
    "affected_position": POSITIONS,
}
_ALLOWED = " OR ".join(f"{name} NOT IN {values}" for name, values in _SETS.items())

RULES = (
    Rule(
        "no orphans", "reads", ("reads", "exposures"),
        "SELECT DISTINCT rootname AS key FROM reads ANTI JOIN exposures USING (rootname)",
        "exposures have reads but no row (of a survey that is running or was stopped), and are left out of all answers",
        _AGAIN, harmless=True,
    ),
    Rule(
        "no orphans", "visit_fits", ("visit_fits", "exposures"),
        "SELECT DISTINCT rootname AS key FROM visit_fits ANTI JOIN exposures USING (rootname)",
        "exposures are in the fit of their visit but have no row", _AGAIN,
    ),
    Rule(
        "curves", "exposures", ("reads", "exposures"),
        """SELECT rootname AS key FROM exposures
        LEFT JOIN (SELECT rootname, count(*) AS n, max(read) AS last FROM reads GROUP BY rootname) USING (rootname)
        WHERE n IS NULL OR n != last OR n != nsamp - 1""",
        "exposures lack reads", "measure them again: wfc3tvb survey --recheck --id {key}{catalog}",
    ),
    Rule(
        "values", "exposures", ("exposures",),
        f"""SELECT rootname AS key FROM exposures WHERE {_ALLOWED}
        OR flagged != (recommend IN {tuple(METHODS)}) OR visit != left(rootname, 6)""",
        "exposures have values that the schema does not allow", "correct them with: wfc3tvb rescore{catalog}",
    ),
    Rule(
        "listed", "exposures", ("datasets", "exposures"),
        "SELECT rootname AS key FROM exposures ANTI JOIN datasets USING (dataset) WHERE dataset IS NOT NULL",
        "exposures belong to datasets that are not listed", "run the same survey again to list them",
    ),
    Rule(
        "runs", "exposures", ("runs", "exposures"),
        "SELECT rootname AS key FROM exposures ANTI JOIN runs USING (run_id) WHERE run_id IS NOT NULL",
        "exposures belong to runs that are not recorded",
        "measure them again: wfc3tvb survey --recheck --id {key}{catalog}",
    ),
    Rule(
        "counts", "exposures", ("runs", "exposures"),
        _STORED.format(table="exposures", recorded="n_done", before="CAST(arguments->>'$.known' AS BIGINT)"),
        "surveys measured more exposures than are stored", _AGAIN,
    ),
    Rule(
        "counts", "failures", ("runs", "failures"),
        _STORED.format(table="failures", recorded="n_failed", before="0"),
        "surveys had more failures than are stored", "no action is needed: failed exposures are tried again",
    ),
)  # fmt: skip

COUNTS = """
WITH listed AS (SELECT DISTINCT unnest(members) AS rootname FROM datasets),
    failed AS (SELECT DISTINCT key AS rootname FROM failures)
SELECT count(*), count(e.rootname), count(f.rootname) FILTER (e.rootname IS NULL)
FROM listed LEFT JOIN exposures e USING (rootname) LEFT JOIN failed f USING (rootname)
"""
