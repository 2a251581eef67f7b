"""A loopback archive: MAST and the public bucket as their unmodified clients see them."""

from wfc3tvb.simulate.archive.faults import Access, AccessLog, Faults
from wfc3tvb.simulate.archive.index import Index
from wfc3tvb.simulate.archive.server import Archive, run, serve

__all__ = ["Access", "AccessLog", "Archive", "Faults", "Index", "run", "serve"]
