"""`make bench`: the figures that Pilotage is designed for, measured on real servers."""
