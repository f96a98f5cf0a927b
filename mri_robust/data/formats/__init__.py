"""Kinds of image files, one a file; each opens bytes as a `PIL.Image` of 8 bits a channel."""
