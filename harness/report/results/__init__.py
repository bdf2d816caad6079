"""What is asked of the evidence: a file for each question."""
