"""What every workflow is made of, whatever it decides."""
