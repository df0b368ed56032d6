"""Which regularizer closes the gap? One study over recipes, strengths and seeds, on digits or on your own table.

    python -m examples.compare [--data FILE.csv --target COLUMN] [--quick] [--out DIR]

Read it in this order: `recipes` (what is compared), `models` (where each noise goes), `study` (one run as a pure
function, and the sweep over all of them), `report` (what is printed and drawn). `data` reads tables.
"""
