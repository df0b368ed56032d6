"""Batch norm as a regularizer: how strong its noise is, what it does to the gap, and what dropout before it does.

    python -m examples.ghost_batch_norm [--quick] [--out DIR]

Ghost batches normalize a large batch in small parts, so that the strength of the noise is a choice of its own and no
longer that of the batch size. Three measurements on scikit-learn's digits: the noise against either size, the gap
between training and test that networks end with, and the variance shift of dropout before batch norm.
"""
