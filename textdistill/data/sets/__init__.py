"""Readable sets: the class, and how folders and files of them are read and written."""
