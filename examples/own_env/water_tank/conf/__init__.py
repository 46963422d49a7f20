"""Makes the configs findable as `pkg://water_tank.conf`."""
