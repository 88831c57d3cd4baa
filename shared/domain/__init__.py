"""What Voltaro is about, without I/O, without a clock, on the standard library alone.

The words are those of OCPP 2.0.1 and OCPI. Facts (what a station told us) are past tense, commands
(what we ask of it) imperative. Nothing in here knows which version of OCPP a station speaks.
"""
