"""What is told of what happens: events, and who hears of them."""
