"""Model-based active exploration: MAX (Shyam et al., 2019)."""
