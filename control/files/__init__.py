"""Files that stations fetch from us and bring to us.

`storage.py` where the content stands · `links.py` signed URLs · `locations.py` which URLs a station
may be given · `ranges.py` parts of a file · `multipart.py` forms, read as they come · `uploads.py`
from a request's body into the storage.

FTP, which OCPP 1.6 §8 recommends, is not served: a control channel in clear text with a data
connection beside it goes through no load balancer of today. Stations that know nothing else are
given the URL of an FTP server, whose host and scheme the operator allows.
"""
