"""Templates that run as they stand, on real data."""
