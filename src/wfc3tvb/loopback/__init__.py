"""A loopback archive: MAST, the public bucket and CRDS as their unmodified clients see them."""

from wfc3tvb.loopback.faults import Access, AccessLog, Faults
from wfc3tvb.loopback.index import Index
from wfc3tvb.loopback.server import Archive, serve

__all__ = ["Access", "AccessLog", "Archive", "Faults", "Index", "serve"]
