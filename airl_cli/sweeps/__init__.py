"""Many runs: on this machine's cores, on a cluster, and in search of the best settings."""
