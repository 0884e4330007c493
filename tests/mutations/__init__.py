"""Do the tests notice a wrong sign? Formulas are broken one at a time, and their tests have to fail.

`signs` finds the operators of a module's formulas and turns one round; `held_by` says which test files hold a module;
`reach` measures which of their tests execute a line; `session` runs those on each broken formula, `trial` on a copy of
the package; `python -m mutations` (``make mutations``) lists what nobody noticed. `equivalent.toml` has mutants that
change nothing that can be observed.
"""
