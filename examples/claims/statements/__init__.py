"""One claim, one file: what it says, what is compared, what would follow."""
