"""The worker: jobs that put right what pods, stations and lost messages leave behind."""
