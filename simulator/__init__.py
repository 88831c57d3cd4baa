"""A simulated charging station, its protocol part without I/O."""
