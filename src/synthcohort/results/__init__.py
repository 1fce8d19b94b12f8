"""The results of a system, read from the files that its stages have written."""
