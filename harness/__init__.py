"""A reproducible benchmark and ablation harness for reinforcement learning."""

__version__ = "0.1.0"
