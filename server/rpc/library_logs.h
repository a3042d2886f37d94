#pragma once

namespace sidebus {

// Sends what gRPC and protobuf have to say to our log, once per process; by themselves they write
// to standard error, in formats of their own, whatever a client provokes. Protobuf's complaints
// about a client's bytes are for debugging: the client gets the error.
//
// Thread safety: may be called from any thread.
void RouteLibraryLogs();

}  // namespace sidebus
