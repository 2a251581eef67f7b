"""The explorer in the browser: pages, search, SQL console, security."""
