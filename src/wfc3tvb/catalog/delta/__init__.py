"""Tables on disk: Delta Lake folders, their commits, locks and errors of writing."""
