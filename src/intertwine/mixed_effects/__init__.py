"""The exact engine of random effects: posterior, evidence and variance components of several outputs at once."""
