"""Repair of flagged associations: plan, fetch, recalibrate, drizzle, compare with the archive's, record."""
