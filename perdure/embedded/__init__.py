"""What `perdure up` and `perdure services` start on one machine: PostgreSQL, Temporal and the local model."""
