"""Signs certificates and has them delivered."""
