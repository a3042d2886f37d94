#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <vector>

#include "server/subscribe/subscriber.h"

namespace sidebus {

// The wire bytes of SubscribeResponse{deliveries}, written straight from the values into one slice:
// every payload is copied once, and no message object is made for it.
//
// Where the event's bytes are no UTF-8, the client's parser will say so: values are checked when
// they are decoded (codec).
grpc::ByteBuffer EncodeDeliveries(const std::vector<Delivery>& deliveries);

}  // namespace sidebus
