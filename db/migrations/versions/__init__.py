"""One file a version of the schema, named NNNN_what_it_does.py, each frozen once released."""
