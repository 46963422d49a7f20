"""How long training takes until the learner is as good as the expert."""
