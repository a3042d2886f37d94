"""The messages of the gRPC API, made from the protos when the package is built."""
