"""What is timed, against what: one module per family, one generator of suites per question."""
