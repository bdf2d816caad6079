"""What the site is made of that is no page."""
