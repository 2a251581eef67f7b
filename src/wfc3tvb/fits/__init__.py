"""FITS files: IMA cubes, cards, tables, images, support files and observation logs, whole or by byte ranges."""
