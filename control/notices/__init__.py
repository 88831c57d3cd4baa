"""What the API and the worker have in common about events and who hears of them."""
