import numpy as np

from baselines import api


class Climber:
    """Keeps a random change of a linear policy if an episode with it scores as high."""

    Config = api.Config
    actions, observations, samples = ("discrete",), ("vector",), False

    def __init__(self, task, config):
        self.task, self.rng, self.env = task, np.random.default_rng(task.seed), task.make_env()
        self.policy = np.zeros((self.env.observation_space.shape[0], self.env.action_space.n))

    def learn(self, progress):
        steps, best, seed = 0, -np.inf, self.task.env_seed
        while steps < self.task.steps:
            policy = self.policy + self.rng.normal(size=self.policy.shape)
            (obs, _), score, over, seed = self.env.reset(seed=seed), 0.0, False, None
            while not over and steps < self.task.steps:
                obs, reward, end, cut, _ = self.env.step(int(np.argmax(obs @ policy)))
                score, steps, over = score + reward, steps + 1, end or cut
                progress.at(steps)
            if over and score >= best:
                best, self.policy = score, policy
        return steps

    def predict(
        self, observation, state=None, episode_start=None, deterministic=True, action_masks=None
    ):
        return np.argmax(observation @ self.policy, axis=1), state

    def weights(self):
        return {"policy": self.policy.copy()}

    def save(self, folder):
        np.save(folder / "policy.npy", self.policy)

    def load(self, folder):
        self.policy = np.load(folder / "policy.npy")
