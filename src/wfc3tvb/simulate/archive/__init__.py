"""A loopback archive: MAST, the public bucket and CRDS as their unmodified clients see them."""

from wfc3tvb.simulate.archive.faults import Access, AccessLog, Faults
from wfc3tvb.simulate.archive.index import Index
from wfc3tvb.simulate.archive.server import Archive, serve

__all__ = ["Access", "AccessLog", "Archive", "Faults", "Index", "serve"]
