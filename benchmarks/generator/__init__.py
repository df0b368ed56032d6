"""The evidence for the generator behind every mask: its speed beside others, and what statistical tests say of it.

`python -m benchmarks.generator --speed --cross-key --battery` measures and writes `benchmarks/results/generator.md`.
"""
