"""Local factorization machines: what users import.

============================ =====================================================================
what users import            `models`
what these inherit           `base`; `threads`: machines side by side
after a fit                  `results`
files                        `state`
============================ =====================================================================
"""
