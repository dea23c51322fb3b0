"""How soon, and how often wrongly, does a monitor say that a reward stopped meaning better outcomes?

A benchmark of generated loops: this product against the detectors people use today. See tests/benchmarks/README.md.
"""
