"""The benchmarks: commands that anybody can repeat."""
