"""Do the tests notice a wrong sign? Formulas are broken one at a time, and their tests have to fail.

`signs` finds the operators of a module's formulas and turns one round; `held_by` says which tests hold which module;
`trial` runs them on a copy of the package with one formula broken; `python -m mutations` (``make mutations``) does
that for many and lists what nobody noticed. `equivalent.toml` has those that change nothing that can be observed.
"""
