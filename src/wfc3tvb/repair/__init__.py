"""Repair of flagged associations: plan, fetch, recalibrate, drizzle, compare with the archive's, record.

Catalog -> `choose` gives a `Repair` a dataset -> `driver` fetches it (`fetch`), asks CRDS for its references and hands
it to a worker (`dataset`) -> `recalibrate` makes an FLT an exposure by its method (`methods`), `combine` the drizzled
image -> `compare_sky` and `compare_products` hold both against the archive's -> `rows` of the table `reprocessed`.
"""
