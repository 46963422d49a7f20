"""Importing the package registers `WaterTank-v0`; that is what `env.import_module` is for."""

import gymnasium as gym

gym.register("WaterTank-v0", entry_point="water_tank.env:WaterTankEnv", max_episode_steps=100)
