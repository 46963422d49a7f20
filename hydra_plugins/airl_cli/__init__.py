"""Where Hydra looks for plugins: the launchers and the sweeper behind this package's options."""
