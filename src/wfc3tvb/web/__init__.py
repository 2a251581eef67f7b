"""The explorer, a web application: pages, search, SQL console, security."""
