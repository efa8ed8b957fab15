"""Where step runs execute. Knows no database."""
