"""Sessions and all that was said of them: facts, meter values, bills, letters."""
