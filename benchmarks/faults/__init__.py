"""What a run survives: kills, damage, full disks, signals and dead peers, tried on real processes and counted."""
