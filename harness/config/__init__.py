"""What people write: strict YAML with line numbers, names, ranges; and the shipped files."""
