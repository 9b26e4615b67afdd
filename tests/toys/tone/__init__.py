"""A toy family: how light a picture is decides its label. tests/test_extending.py copies it to models/tone."""
