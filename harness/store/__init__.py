"""The files of runs, sweeps and searches: their layout, the one writer and the one reader."""
