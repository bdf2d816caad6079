"""Write the schemas anew, beside this file: `python -m harness.schema`."""

from harness.schema import write

write()
