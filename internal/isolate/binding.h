// The C face of the binding: what Go may ask of V8. Every call below that
// takes an isolate must not run at the same time as another on the same one,
// except lentil_watch and lentil_stop.
#pragma once
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef struct lentil_isolate lentil_isolate;
typedef struct lentil_realm lentil_realm;

// How an invocation stands after a turn.
enum {
  LENTIL_DONE = 0,        // the promise is fulfilled, value holds its string
  LENTIL_THREW = 1,       // rejected or thrown, value holds the description
  LENTIL_PENDING = 2,     // waits for the answers to its requests
  LENTIL_TERMINATED = 3,  // ended from outside, see why
  LENTIL_MISSING = 4,     // no such module, export or method; value says which
};

// Why JavaScript was terminated.
enum {
  LENTIL_RUNNING = 0,
  LENTIL_TIMEOUT = 1,
  LENTIL_MEMORY = 2,
  LENTIL_DEVELOPER = 3,  // value holds the description
  LENTIL_HOST = 4,       // a synchronous host call failed
  LENTIL_STOPPED = 5,    // lentil_stop
};

// What a turn leaves. The buffers are the realm's, valid until its next turn.
// requests is a list of records, integers in the machine's byte order:
//   'L' level:u8 line:str            a line of the log
//   'A' id:u32 op:str arg:str none:str   Convex.asyncSyscall
//   'H' id:u32 op:str arg:str body:str   a request of our own shims
//   'X' id:u32                       the request is of no interest any more
// where str is a u32 length and that many bytes of UTF-8 (body: any bytes).
typedef struct {
  int status, why;
  const char* requests;
  size_t requests_len;
  const char* value;
  size_t value_len;
  int64_t used;  // thread time of JavaScript in this turn, ns
  int saw_time, saw_random;
} lentil_turn;

// The world of an import or an invocation.
typedef struct {
  int kind;  // 0 import, 1 query, 2 mutation, 3 action
  double now;
  uint8_t seed[32];
} lentil_world;

// Result of lentil_load. data and errors are malloc'ed; errors is a list of
// (path:str description:str) as above.
typedef struct {
  char* data;
  size_t data_len;
  char* errors;
  size_t errors_len;
  int why;
} lentil_blob;

typedef struct {
  size_t heap, buffers;
  int64_t user_time;  // ns
} lentil_limits;

typedef struct {
  size_t used, total, external, contexts;
} lentil_heap;

// Answer of Go to a synchronous request; data is malloc'ed.
typedef struct {
  int status;  // as in lentil_settle, or -1: end the run
  char* data;
  size_t data_len;
  char* extra;
  size_t extra_len;
} lentil_reply;

// Starts V8. Ids of isolates whose thread is lost are written to dead_fd.
void lentil_init(const char* flags, int dead_fd);

// Evaluates shims and modules into a snapshot. modules is a packed list of
// (path:str source:str); scripts likewise (the shims, in order). With an
// existing isolate id the caller can learn that the thread is lost.
lentil_blob lentil_load(uint64_t id, const char* scripts, size_t scripts_len, const char* modules, size_t modules_len,
                        const char* env, size_t env_len, lentil_world world, lentil_limits limits,
                        lentil_isolate** watched);
void lentil_load_done(lentil_isolate*);

lentil_isolate* lentil_isolate_new(uint64_t id, const char* blob, size_t blob_len, lentil_limits limits);
void lentil_isolate_free(lentil_isolate*);
lentil_heap lentil_isolate_tidy(lentil_isolate*, int collect);
// How much of the process's heap space an isolate occupies, after a collection
// if that is asked for; between turns.
size_t lentil_isolate_held(lentil_isolate*, int collect);

// Gives memory that freed isolates left behind back to the system.
void lentil_trim(void);

lentil_realm* lentil_realm_new(lentil_isolate*);
void lentil_realm_free(lentil_realm*);
// Remembers what a realm is like before its first invocation; gives the bytes
// that takes, or 0 if the realm holds what an imprint does not show.
size_t lentil_realm_imprint(lentil_realm*);
void lentil_realm_forget(lentil_realm*);
// Whether a realm with an imprint is as it was then, and may serve again.
int lentil_realm_intact(lentil_realm*);
// Evaluates modules in a realm whose snapshot holds only the shims.
void lentil_realm_import(lentil_realm*, const char* modules, size_t modules_len, const char* env, size_t env_len,
                         lentil_world world, lentil_blob* errors);

// Calls registry[module][export][method](...args), or a hook of the shims when
// module is empty. call is packed: module:str export:str method:str args:str…
void lentil_start(lentil_realm*, uintptr_t host, lentil_world world, const char* call, size_t call_len, lentil_turn*);
// Settles one request: status 0 string, 1 throw (data message, extra JSON of
// error.data or empty), 2 bytes, 3 undefined.
void lentil_settle(lentil_realm*, uint32_t id, int status, const char* data, size_t data_len, const char* extra,
                   size_t extra_len, lentil_turn*);

// Thread-safe; without effect between turns. lentil_watch terminates a turn
// when it and the earlier ones used more than budget ns. Both say whether they
// did something.
int lentil_watch(lentil_isolate*, int64_t budget);
int lentil_stop(lentil_isolate*, int why);
int lentil_why(lentil_isolate*);
// What V8 said when it gave up on an isolate.
const char* lentil_fatal(lentil_isolate*);

#ifdef __cplusplus
}
#endif
