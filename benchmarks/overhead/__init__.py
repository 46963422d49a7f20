"""What AIRL costs beside the reinforcement learning that it is made of."""
