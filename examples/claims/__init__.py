"""The ledger of claims: what articles say of regularization, each measured with seeds, intervals and a verdict.

    python -m examples.claims [ID ...] [--quick] [--lanes DIR]

A run of all claims takes hours on two busy cores; most single claims take a minute or a few. A record per claim
and the page (README.md), with its forest plot, are written beside this file.

Read it in this order: `statements` (one claim, one file), `ledger` (what a claim is), `arms` (what a setting is),
`common` (the arms that claims share), `lanes` (one run as a pure function, and the sweep over an arm), `contrasts` (a
claim as a number per seed), `effects` (the statistics and the rule of verdicts), `records`, `page`. `data` holds the
tasks, `models` the networks, `probes` and `stops` further measurements.
"""
