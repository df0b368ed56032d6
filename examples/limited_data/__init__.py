"""Which regularizer pays when a language model sees its text many times, at equal compute.

    python -m examples.limited_data [--quick] [--text FILE] [--out DIR] [--d N --layers N --context N --tokens N]

Every cell spends the same number of tokens on 1, 4, 16 or 64 passes over a text, which is the smaller the more passes
there are. Decay over three decades, dropout, stochastic depth, averages of the weights and their pairs, then ensembles
of up to four networks and one student of the largest. Validation chooses strengths and the epoch; test rows only
measure, and all differences are paired by seed. The record grows cell by cell, so that a killed study goes on.
"""
