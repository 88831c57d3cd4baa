"""One gateway pod: charging stations' sockets in, domain facts out."""
