"""Repair of flagged associations: plan, fetch, recalibrate, drizzle, compare with the archive's products, record.

`choose` makes a `Repair` for each dataset from the catalog. `driver` fetches its files (`fetch`) and references, and
passes it to a worker (`dataset`). There `recalibrate` makes the FLT of each exposure by its method (`methods`), and
`combine` makes the drizzled image. `proof` compares both with the archive's, and `rows` makes the rows of the table
`reprocessed`.
"""
