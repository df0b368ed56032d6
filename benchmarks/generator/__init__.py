"""The evidence for the generator behind every mask: its speed beside others, and what statistical tests say of it.

`python -m benchmarks.generator` (and `--battery`) measures and writes `benchmarks/results/generator.md`.
"""
