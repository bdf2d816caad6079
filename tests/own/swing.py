import numpy as np


def swing(episode):
    """Largest angle of the pole in an episode, radians."""
    return np.abs(episode.observations[:, 2]).max()
