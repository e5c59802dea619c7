"""Known files and known answers, made by our own code: for the tests, and for a laboratory's own machine."""
