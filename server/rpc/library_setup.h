#pragma once

namespace sidebus {

// What is set once per process, for the libraries under gRPC.
//
// Logs: what gRPC and protobuf have to say goes to our log; by themselves they write to standard
// error, in formats of their own, whatever a client provokes. Protobuf's complaints about a client's
// bytes are for debugging: the client gets the error.
//
// Locks: Debian builds abseil such that each lock of gRPC's looks for deadlocks, as in a debug
// build. That is turned off: it took 10-20 % of the gateway's CPU.
//
// Thread safety: may be called from any thread.
void SetUpLibraries();

}  // namespace sidebus
