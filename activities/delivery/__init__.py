"""The ways to deliver: one seam (`seam.py`), and a writer for each `write` that an Environment may have."""
