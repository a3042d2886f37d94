// How jemalloc is set, which is the gateway's malloc (ADR 79). It reads this before main() runs; an
// operator's MALLOC_CONF comes on top of it. Its manual (jemalloc(3), TUNING) has the names.
//
// - narenas: a few, not four per processor: a sidecar on a node of 64 has no use for 256 of them,
//   and each keeps memory of its own.
// - background_thread: what a burst used goes back to the system also when no call follows that
//   would give it back.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf = "narenas:4,background_thread:true";
}
