"""Makes sidebus.v1.*_pb2 from the protos as they are now, before a test imports them."""

import generate

generate.generate()
