"""Fail every call for input and output of a command once, and see what becomes of its files."""
