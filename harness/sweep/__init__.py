"""From a sweep file to its arms, its claims and the specs of its runs."""
