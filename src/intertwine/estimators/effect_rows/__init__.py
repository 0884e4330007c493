"""Rows that random effects read, from what users pass beside X: for three families.

============================ =====================================================================
what users pass              `inputs`; `choice`: which effects are meant
rows                         `data`, and `levels` that come after a fit
names                        `group_labels`: from labels to codes and back; `names` of effects in tables
============================ =====================================================================
"""
