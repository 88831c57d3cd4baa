"""The API's own words: what is sent and answered, apart from how it is kept."""
