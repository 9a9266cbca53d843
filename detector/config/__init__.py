"""Configuration: dataclass schema, Hydra composition, one-line errors."""
