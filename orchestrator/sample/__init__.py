"""Sample material, made by the project's own code: portraits, pictures to be turned down, and two small archives."""
