"""Loopback archive: a local server for MAST, the public bucket and CRDS, used by their unmodified clients."""

from wfc3tvb.loopback.faults import Access, AccessLog, Faults
from wfc3tvb.loopback.index import Index
from wfc3tvb.loopback.server import Archive, serve

__all__ = ["Access", "AccessLog", "Archive", "Faults", "Index", "serve"]
