"""Latents of subjects' visits: networks, with a latent mixed model over covariates.

============================ =================================================================================
begin with                   `fit`: from visits to a `model`
what it is given             `problem`
phases, epochs, steps        `phases`, `epochs`, `steps`; `batches` of subjects, `contexts` within them
the latent mixed model       `latents`; `sites` are what networks say of visits, `refinement` what they miss
when networks are done       `noise` of columns; `points` stand for distributions of latents
subjects held out            `validation`; `widening` of forecasts by what they miss
the paper's objective        `mean_field`: `mean_field_epochs`, `mean_field_steps`, `mean_field_model`
============================ =================================================================================
"""
