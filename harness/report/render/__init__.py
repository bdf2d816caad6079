"""What a report says and shows, written and drawn in every format."""
