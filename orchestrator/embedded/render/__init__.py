"""Stand-ins for what models make, rendered on the CPU."""
