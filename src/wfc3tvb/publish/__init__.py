"""Publication: a folder with tables and products as MAST's high-level science products and Zenodo want them."""
