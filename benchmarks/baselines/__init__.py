"""Reference methods that the benchmarks compare with: none of them is part of the library."""
