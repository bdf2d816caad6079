"""From a sweep and the store to a folder of figures, tables and one page that ties them together.

The same store gives the same bytes: nothing here looks at the clock or at an unseeded generator.
"""

from harness.report.contents import Options, Written, apart, write

__all__ = ["Options", "Written", "apart", "write"]
