"""The documentation: pages in markdown, whose code is run, and a reference from docstrings; `python -m docs.build`."""
