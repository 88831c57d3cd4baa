"""What each type of event tells, by what it is about; `catalogue` has all of them."""
