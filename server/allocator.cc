// How jemalloc is set, which is the gateway's malloc (ADR 79). It reads this before main() runs; an
// operator's MALLOC_CONF comes on top of it. Its manual (jemalloc(3), TUNING) has the names.
//
// - narenas: a few, not four per processor: a sidecar on a node of 64 has no use for 256 of them,
//   and each keeps memory of its own.
// - lg_tcache_max: threads, of which each group has some, keep pieces up to 8 KiB for themselves,
//   what events are made of, and no larger ones.
// - background_thread, dirty_decay_ms: what a burst used goes back to the system within seconds,
//   also when no call follows that would give it back.
extern "C" {
extern const char* malloc_conf;
const char* malloc_conf =
    "narenas:4,lg_tcache_max:13,background_thread:true,max_background_threads:1,"
    "dirty_decay_ms:1000";
}
