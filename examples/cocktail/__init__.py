"""How much a cocktail of regularizers gains on your table, beside bagging and beside trees; and the recipe to keep.

    python -m examples.cocktail --data FILE --target COLUMN [--minutes 3] [--out DIR]

The search runs within five outer splits, so all scores are of rows that chose nothing.
"""
