"""The only place with SQL.

One module per thing that is kept; its functions take the pool first and give domain objects back.
"""
