"""The ten steps: pure functions of their inputs."""
