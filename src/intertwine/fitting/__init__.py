"""What is statistical in a fit, in terms of objects: from columns and a loss to a fitted model.

One folder for each family of estimators; `mixed_model.py` is a family of one file. The families do not know each
other, except that factors of ratings are drawn by a factorization machine (`latent_factors/gibbs.py` uses `fm/`).

What they share lies beside them: `watch` (what long work tells, and where it leaves what it has finished),
`resumable` (descents that go on where they were interrupted), `mini_batches`, `compiled_steps` and `kept_epochs`
(networks), `factor_rows` (rows of a factor model, one by one).
"""
