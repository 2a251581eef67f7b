"""Reports of a catalog: figures, HTML pages, and text for the terminal."""
