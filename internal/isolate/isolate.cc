// Isolates, realms, and the turns of an invocation.
#include <stdlib.h>
#include <string.h>

#include "imprint.hh"

lentil_realm::lentil_realm() = default;
lentil_realm::~lentil_realm() = default;

namespace lentil {

Local<String> str(Isolate* iso, std::string_view s) {
  bool ascii = true;
  for (unsigned char c : s)
    if (c & 0x80) {
      ascii = false;
      break;
    }
  Local<String> out;
  if (ascii) {
    if (!String::NewFromOneByte(iso, reinterpret_cast<const uint8_t*>(s.data()), NewStringType::kNormal, int(s.size()))
             .ToLocal(&out))
      return String::Empty(iso);
  } else if (!String::NewFromUtf8(iso, s.data(), NewStringType::kNormal, int(s.size())).ToLocal(&out)) {
    return String::Empty(iso);
  }
  return out;
}
void put32(std::string& b, uint32_t v) { b.append(reinterpret_cast<char*>(&v), 4); }
void appendUtf8(Isolate* iso, std::string& b, Local<String> s) {
  size_t n = s->Utf8LengthV2(iso), at = b.size();
  b.resize(at + n);
  s->WriteUtf8V2(iso, &b[at], n, String::WriteFlags::kReplaceInvalidUtf8);
}
void putString(Isolate* iso, std::string& b, Local<String> s) {
  size_t n = s->Utf8LengthV2(iso), at = b.size() + 4;
  put32(b, uint32_t(n));
  b.resize(at + n);
  s->WriteUtf8V2(iso, &b[at], n, String::WriteFlags::kReplaceInvalidUtf8);
}
std::string_view takeString(const char*& p, const char* end) {
  uint32_t n;
  if (end - p < 4) return {};
  memcpy(&n, p, 4);
  p += 4;
  if (size_t(end - p) < n) n = uint32_t(end - p);
  std::string_view s(p, n);
  p += n;
  return s;
}
lentil_realm* realmOf(Local<Context> c) {
  return static_cast<lentil_realm*>(c->GetAlignedPointerFromEmbedderData(1));
}

// V8 asks for a little more room when the heap is full. Give some, so that
// JavaScript can unwind, and end it. Builtins that fill memory without looking
// for the termination are given room a few times before V8 gives up.
static size_t nearHeapLimit(void* data, size_t limit, size_t) {
  lentil_isolate* i = static_cast<lentil_isolate*>(data);
  terminate(i, LENTIL_MEMORY);
  return ++i->raised <= 4 ? limit + (32u << 20) : limit;
}
// Memory outside of heap and allocator (WebAssembly, resizable buffers) is only
// known to the isolate's own thread: the watchdog asks it to look now and then.
static void checkExternal(Isolate* iso, void* data) {
  lentil_isolate* i = static_cast<lentil_isolate*>(data);
  HeapStatistics h;
  iso->GetHeapStatistics(&h);
  if (h.external_memory() > i->externalLimit) terminate(i, LENTIL_MEMORY);
}
void requestCheck(lentil_isolate* i) { i->iso->RequestInterrupt(checkExternal, i); }

static void onFatalCall(const char*, const char* message) { park(message); }
static void onMemory(const char*, const OOMDetails& d) { park(d.detail); }

// The promise callbacks of a realm's program: rejections nobody handles by the
// end of a turn end the invocation.
void onReject(PromiseRejectMessage m) {
  Isolate* iso = Isolate::GetCurrent();
  lentil_realm* r = current;
  if (!r) return;
  Local<Promise> p = m.GetPromise();
  if (m.GetEvent() == kPromiseRejectWithNoHandler) {
    Local<Value> v = m.GetValue();
    if (v.IsEmpty()) v = Undefined(iso);
    r->rejected.emplace_back(Global<Promise>(iso, p), Global<Value>(iso, v));
  } else if (m.GetEvent() == kPromiseHandlerAddedAfterReject) {
    for (auto it = r->rejected.begin(); it != r->rejected.end(); ++it)
      if (it->first.Get(iso) == p) {
        r->rejected.erase(it);
        break;
      }
  }
}

static void collected(Isolate*, GCType type, GCCallbackFlags, void* data) {
  lentil_isolate* i = static_cast<lentil_isolate*>(data);
  (type == kGCTypeMarkSweepCompact ? i->collections : i->scavenges)++;
}

void prepareIsolate(lentil_isolate* i, bool limited) {
  Isolate* iso = i->iso;
  iso->SetMicrotasksPolicy(MicrotasksPolicy::kExplicit);
  iso->SetPromiseRejectCallback(onReject);
  iso->SetHostImportModuleDynamicallyCallback(importDynamically);
  iso->SetFatalErrorHandler(onFatalCall);
  iso->SetOOMErrorHandler(onMemory);
  iso->SetAllowAtomicsWait(false);
  iso->SetSharedArrayBufferConstructorEnabledCallback([](Local<Context>) { return false; });
  iso->AddGCEpilogueCallback(collected, i, kGCTypeAll);
  if (limited) iso->AddNearHeapLimitCallback(nearHeapLimit, i);
}

// Text of an exception for Go: what hooks.describe says, a zero byte, and the
// place V8 names for errors without a stack (syntax errors).
std::string describe(lentil_realm* r, Local<Context> c, TryCatch& outer, Local<Value> e) {
  Isolate* iso = c->GetIsolate();
  std::string out;
  {
    TryCatch tc(iso);
    Local<Value> f, v;
    Local<Object> hooks;
    if (!r->hooks.IsEmpty()) {
      hooks = r->hooks.Get(iso);
      if (hooks->Get(c, str(iso, "describe")).ToLocal(&f) && f->IsFunction() &&
          f.As<Function>()->Call(c, hooks, 1, &e).ToLocal(&v) && v->IsString())
        appendUtf8(iso, out, v.As<String>());
    }
    if (out.empty()) {
      Local<String> s;
      out = "{\"message\":\"unknown error\"}";
      Local<Object> o = Object::New(iso);
      if (e->ToDetailString(c).ToLocal(&s) && o->Set(c, str(iso, "message"), s).FromMaybe(false) &&
          JSON::Stringify(c, o).ToLocal(&s)) {
        out.clear();
        appendUtf8(iso, out, s);
      }
    }
    tc.Reset();
  }
  out.push_back('\0');
  if (outer.HasCaught()) {
    Local<Message> m = outer.Message();
    if (!m.IsEmpty() && m->GetScriptOrigin().ResourceName()->IsString()) {
      appendUtf8(iso, out, m->GetScriptOrigin().ResourceName().As<String>());
      out += ":" + std::to_string(m->GetLineNumber(c).FromMaybe(0)) + ":" +
             std::to_string(m->GetStartColumn(c).FromMaybe(0) + 1);
    }
  }
  return out;
}

// Enters isolate and context of a realm for one turn.
class Entered {
 public:
  explicit Entered(lentil_realm* r)
      : iso(r->owner->iso), locker_(iso), scope_(iso), handles_(iso), c(r->context.Get(iso)), in_(c) {
    setStackLimit(iso);
  }
  Isolate* iso;

 private:
  Locker locker_;
  Isolate::Scope scope_;
  HandleScope handles_;

 public:
  Local<Context> c;

 private:
  Context::Scope in_;
};

static void terminated(lentil_realm* r, lentil_turn* t) {
  t->status = LENTIL_TERMINATED;
  t->why = r->owner->why;
  if (t->why == LENTIL_RUNNING) t->why = LENTIL_STOPPED;
  r->owner->iso->CancelTerminateExecution();
}

static void failed(lentil_realm* r, Local<Context> c, TryCatch& tc, Local<Value> e, lentil_turn* t) {
  t->status = LENTIL_THREW;
  std::string text = describe(r, c, tc, e);
  // Looking at the error may have run a getter for too long.
  if (r->owner->why != LENTIL_RUNNING) return terminated(r, t);
  r->value = text;
}

static void caught(lentil_realm* r, Local<Context> c, TryCatch& tc, lentil_turn* t) {
  Isolate* iso = r->owner->iso;
  if (tc.HasTerminated() || iso->IsExecutionTerminating()) return terminated(r, t);
  failed(r, c, tc, tc.HasCaught() ? tc.Exception() : Undefined(iso).As<Value>(), t);
}

// Runs microtasks to exhaustion and says how the invocation stands.
static void conclude(lentil_realm* r, Local<Context> c, TryCatch& tc, lentil_turn* t) {
  Isolate* iso = r->owner->iso;
  r->queue->PerformCheckpoint(iso);
  if (tc.HasTerminated() || iso->IsExecutionTerminating()) return terminated(r, t);
  if (tc.HasCaught()) tc.Reset();
  if (!r->rejected.empty()) {
    Local<Value> e = r->rejected[0].second.Get(iso);
    return failed(r, c, tc, e, t);
  }
  Local<Promise> p = r->promise.Get(iso);
  switch (p->State()) {
    case Promise::kPending:
      t->status = LENTIL_PENDING;
      break;
    case Promise::kRejected:
      failed(r, c, tc, p->Result(), t);
      break;
    case Promise::kFulfilled: {
      Local<String> s;
      if (!p->Result()->ToString(c).ToLocal(&s)) return caught(r, c, tc, t);
      r->value.clear();
      appendUtf8(iso, r->value, s);
      t->status = LENTIL_DONE;
    }
  }
}

static void leave(lentil_realm* r, const Turn& turn, lentil_turn* t) {
  t->requests = r->requests.data();
  t->requests_len = r->requests.size();
  t->value = r->value.data();
  t->value_len = r->value.size();
  t->used = turn.used();
  t->saw_time = r->sawTime;
  t->saw_random = r->sawRandom;
}

static void missing(lentil_realm* r, const char* what, lentil_turn* t) {
  r->value = what;
  t->status = LENTIL_MISSING;
}

// What RegExp.lastMatch and its kin say is part of no object's bytes that an
// imprint compares: every invocation begins after the same match, of nothing.
static void forgetMatch(Isolate* iso, Local<Context> c) {
  Local<RegExp> nothing;
  Local<Object> match;
  if (RegExp::New(c, String::Empty(iso), RegExp::kNone).ToLocal(&nothing) && nothing->Exec(c, String::Empty(iso)).ToLocal(&match)) return;
}

static void start(lentil_realm* r, Isolate* iso, Local<Context> c, const char* p, const char* end, lentil_turn* t) {
  TryCatch tc(iso);
  std::string_view module = takeString(p, end), name = takeString(p, end), method = takeString(p, end);
  std::vector<Local<Value>> args;
  while (p < end) args.push_back(str(iso, takeString(p, end)));
  Local<Value> self, fn, out;
  if (module.empty()) {
    self = r->hooks.Get(iso);
    if (!self.As<Object>()->Get(c, str(iso, method)).ToLocal(&fn)) return caught(r, c, tc, t);
  } else {
    Local<Value> ns;
    if (!r->registry.Get(iso)->Get(c, str(iso, module)).ToLocal(&ns)) return caught(r, c, tc, t);
    if (!ns->IsObject()) return missing(r, "module", t);
    Local<String> n = str(iso, name);
    if (!ns.As<Object>()->Has(c, n).FromMaybe(false)) return missing(r, "export", t);
    if (!ns.As<Object>()->Get(c, n).ToLocal(&self)) return caught(r, c, tc, t);
    if (!self->IsObject()) return missing(r, "method", t);
    if (!self.As<Object>()->Get(c, str(iso, method)).ToLocal(&fn)) return caught(r, c, tc, t);
  }
  if (!fn->IsFunction()) return missing(r, "method", t);
  if (!fn.As<Function>()->Call(c, self, int(args.size()), args.data()).ToLocal(&out)) return caught(r, c, tc, t);
  if (!out->IsPromise()) {
    Local<Promise::Resolver> res;
    if (!Promise::Resolver::New(c).ToLocal(&res) || res->Resolve(c, out).IsNothing()) return caught(r, c, tc, t);
    out = res->GetPromise();
  }
  Local<Promise> promise = out.As<Promise>();
  if (promise->State() == Promise::kRejected) {
    // A rejection that came before we looked is ours to report, not unhandled.
    for (auto it = r->rejected.begin(); it != r->rejected.end(); ++it)
      if (it->first.Get(iso) == promise) {
        r->rejected.erase(it);
        break;
      }
  }
  promise->MarkAsHandled();
  r->promise.Reset(iso, promise);
  conclude(r, c, tc, t);
}

static void settle(lentil_realm* r, Isolate* iso, Local<Context> c, uint32_t id, int status, std::string_view data,
                   std::string_view extra, lentil_turn* t) {
  TryCatch tc(iso);
  auto it = r->pending.find(id);
  if (it == r->pending.end()) return conclude(r, c, tc, t);
  Local<Promise::Resolver> res = it->second.Get(iso);
  r->pending.erase(it);
  Local<Value> v = Undefined(iso);
  if (status == 0) {
    v = str(iso, data);
  } else if (status == 2) {
    Local<ArrayBuffer> b;
    if (ArrayBuffer::MaybeNew(iso, data.size()).ToLocal(&b)) {
      memcpy(b->Data(), data.data(), data.size());
      v = Uint8Array::New(b, 0, data.size());
    } else {
      v = Exception::RangeError(str(iso, "Array buffer allocation failed"));
      status = 1;
    }
  } else if (status == 1) {
    v = Exception::Error(str(iso, data));
    Local<Value> d;
    if (!extra.empty() && JSON::Parse(c, str(iso, extra)).ToLocal(&d))
      v.As<Object>()->Set(c, str(iso, "data"), d).FromMaybe(false);
  }
  Maybe<bool> ok = status == 1 ? res->Reject(c, v) : res->Resolve(c, v);
  if (ok.IsNothing()) return caught(r, c, tc, t);
  conclude(r, c, tc, t);
}
}  // namespace lentil

using namespace lentil;

// Anchored says which isolate a thread works for while no realm of it runs, so
// that a fatal error parks the thread, as it does in the middle of a turn.
struct Anchored {
  explicit Anchored(lentil_isolate* i) : was_(current) {
    anchor_.owner = i;
    current = &anchor_;
  }
  ~Anchored() { current = was_; }

 private:
  lentil_realm anchor_;
  lentil_realm* was_;
};

extern "C" lentil_isolate* lentil_isolate_new(uint64_t id, const char* blob, size_t n, lentil_limits limits) {
  lentil_isolate* i = new lentil_isolate;
  i->id = id;
  Anchored anchored(i);
  i->allocator.reset(new CappedAllocator(limits.buffers));
  i->externalLimit = limits.buffers * 2;
  i->blob = {blob, int(n)};
  Isolate::CreateParams p;
  p.array_buffer_allocator = i->allocator.get();
  p.external_references = references;
  p.snapshot_blob = &i->blob;
  p.fatal_error_callback = onFatalCall;
  p.oom_error_callback = onMemory;
  // The default for a small heap is a tiny young generation, which halves the
  // speed of code that allocates much.
  p.constraints.set_max_old_generation_size_in_bytes(limits.heap);
  p.constraints.set_max_young_generation_size_in_bytes(48u << 20);
  i->iso = Isolate::New(p);
  Locker l(i->iso);
  Isolate::Scope s(i->iso);
  prepareIsolate(i, true);
  findNumbers(i);
  return i;
}

extern "C" void lentil_isolate_free(lentil_isolate* i) {
  v8::platform::NotifyIsolateShutdown(innerPlatform(), i->iso);
  i->iso->Dispose();
  delete i;
}

extern "C" size_t lentil_isolate_held(lentil_isolate* i, int collect) {
  Anchored anchored(i);
  Locker l(i->iso);
  Isolate::Scope s(i->iso);
  setStackLimit(i->iso);
  if (collect) i->iso->LowMemoryNotification();
  HeapStatistics h;
  i->iso->GetHeapStatistics(&h);
  return h.total_heap_size();
}

extern "C" lentil_heap lentil_isolate_tidy(lentil_isolate* i, int collect) {
  Anchored anchored(i);
  Locker l(i->iso);
  Isolate::Scope s(i->iso);
  setStackLimit(i->iso);
  for (int n = 0; n < 100 && v8::platform::PumpMessageLoop(innerPlatform(), i->iso); n++) {
  }
  if (collect) i->iso->LowMemoryNotification();
  HeapStatistics h;
  i->iso->GetHeapStatistics(&h);
  return {h.used_heap_size(), h.total_physical_size(), h.external_memory(), h.number_of_native_contexts()};
}

extern "C" int lentil_why(lentil_isolate* i) { return i->why; }

extern "C" lentil_realm* lentil_realm_new(lentil_isolate* i) {
  Locker l(i->iso);
  Isolate::Scope s(i->iso);
  HandleScope hs(i->iso);
  setStackLimit(i->iso);
  lentil_realm* r = new lentil_realm;
  r->owner = i;
  Turn turn(r);
  r->queue = MicrotaskQueue::New(i->iso, MicrotasksPolicy::kExplicit);
  Local<Context> c;
  Local<Object> registry, hooks;
  if (!Context::FromSnapshot(i->iso, 0, DeserializeInternalFieldsCallback(), nullptr, MaybeLocal<Value>(),
                             r->queue.get())
           .ToLocal(&c) ||
      !c->GetDataFromSnapshotOnce<Object>(0).ToLocal(&registry) ||
      !c->GetDataFromSnapshotOnce<Object>(1).ToLocal(&hooks)) {
    delete r;
    return nullptr;
  }
  c->SetAlignedPointerInEmbedderData(1, r);
  r->context.Reset(i->iso, c);
  r->registry.Reset(i->iso, registry);
  r->hooks.Reset(i->iso, hooks);
  return r;
}

extern "C" void lentil_realm_free(lentil_realm* r) {
  Isolate* iso = r->owner->iso;
  Locker l(iso);
  Isolate::Scope s(iso);
  HandleScope hs(iso);
  r->context.Get(iso)->SetAlignedPointerInEmbedderData(1, nullptr);
  iso->SetContinuationPreservedEmbedderData(Undefined(iso));
  restoreNumbers(r->owner);
  delete r;
}

extern "C" void lentil_start(lentil_realm* r, uintptr_t host, lentil_world world, const char* call, size_t n,
                             lentil_turn* t) {
  lentil_isolate* i = r->owner;
  i->used = 0;
  i->why = LENTIL_RUNNING;
  i->raised = 0;
  i->looks = 0;
  r->lines = 0;
  r->host = host;
  r->world = world;
  r->random.seed(world.seed);
  r->began = monotonic();
  r->sawTime = r->sawRandom = false;
  r->requests.clear();
  r->value.clear();
  Turn turn(r);
  t->why = LENTIL_RUNNING;
  {
    Entered in(r);
    forgetMatch(in.iso, in.c);
    start(r, in.iso, in.c, call, call + n, t);
  }
  leave(r, turn, t);
}

extern "C" void lentil_settle(lentil_realm* r, uint32_t id, int status, const char* data, size_t n, const char* extra,
                              size_t en, lentil_turn* t) {
  r->requests.clear();
  Turn turn(r);
  t->why = LENTIL_RUNNING;
  {
    Entered in(r);
    settle(r, in.iso, in.c, id, status, {data, n}, {extra, en}, t);
  }
  leave(r, turn, t);
}

extern "C" void lentil_realm_import(lentil_realm* r, const char* modules, size_t n, const char* env, size_t envn,
                                    lentil_world world, lentil_blob* out) {
  r->owner->used = 0;
  r->world = world;
  r->random.seed(world.seed);
  Turn turn(r);
  std::string errors;
  {
    Entered in(r);
    importModules(r, in.c, r->registry.Get(in.iso), modules, n, &errors);
    out->why = r->owner->why; // V8 forgets a termination once no JavaScript is left on the stack
    if (in.iso->IsExecutionTerminating()) in.iso->CancelTerminateExecution();
  }
  r->rejected.clear();
  r->requests.clear();
  out->errors = static_cast<char*>(malloc(errors.size() + 1));
  memcpy(out->errors, errors.data(), errors.size());
  out->errors_len = errors.size();
}
