"""Templates in files: our TOML, and Gating-ML 2.0."""
