"""Formats of exported tables, one module each; `wfc3tvb.catalog.export` chooses among them."""
