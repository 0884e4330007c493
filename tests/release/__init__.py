"""Checks of what is released: the wheel and the source distribution, installed and used where nothing else is.

`contents` looks into the files, `dependencies` at what they bring along; ``python -m release`` (``make dist-check``)
installs them, ``python -m release.oldest`` does so at the oldest versions allowed, and ``python -m release.bill``
reads a bill of materials. The first two are run by `test_release.py` as well.
"""
