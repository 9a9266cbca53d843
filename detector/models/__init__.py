"""Weights, cards and backends: batches of tiles to oriented boxes."""
