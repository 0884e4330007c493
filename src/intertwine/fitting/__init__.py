"""From prepared columns and a loss to fitted coefficients: one module for every path, one search for both."""
