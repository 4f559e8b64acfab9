// What the shims of runtime/*.js can call. All functions stand in references,
// because a snapshot may hold them.
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "engine.hh"

// Answered by Go, see natives.go.
extern "C" void lentilGoSyscall(uintptr_t host, int own, char* op, size_t opn, char* arg, size_t argn, char* body,
                                size_t bodyn, lentil_reply*);

namespace lentil {

void Random::seed(const uint8_t key[32]) {
  memcpy(key_, key, 32);
  counter_ = 0;
  at_ = sizeof buf_;
}
static inline uint32_t rotl(uint32_t v, int n) { return v << n | v >> (32 - n); }
static inline void quarter(uint32_t* s, int a, int b, int c, int d) {
  s[a] += s[b], s[d] = rotl(s[d] ^ s[a], 16);
  s[c] += s[d], s[b] = rotl(s[b] ^ s[c], 12);
  s[a] += s[b], s[d] = rotl(s[d] ^ s[a], 8);
  s[c] += s[d], s[b] = rotl(s[b] ^ s[c], 7);
}
void Random::block() {
  uint32_t in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, s[16];
  memcpy(in + 4, key_, 32);
  in[12] = uint32_t(counter_), in[13] = uint32_t(counter_ >> 32);
  memcpy(s, in, sizeof s);
  for (int i = 0; i < 12; i += 2) {
    quarter(s, 0, 4, 8, 12), quarter(s, 1, 5, 9, 13), quarter(s, 2, 6, 10, 14), quarter(s, 3, 7, 11, 15);
    quarter(s, 0, 5, 10, 15), quarter(s, 1, 6, 11, 12), quarter(s, 2, 7, 8, 13), quarter(s, 3, 4, 9, 14);
  }
  for (int i = 0; i < 16; i++) s[i] += in[i];
  memcpy(buf_, s, sizeof buf_);
  counter_++;
  at_ = 0;
}
void Random::fill(void* p, size_t n) {
  char* out = static_cast<char*>(p);
  while (n) {
    if (at_ == sizeof buf_) block();
    size_t k = std::min(n, sizeof buf_ - at_);
    memcpy(out, buf_ + at_, k);
    at_ += k, out += k, n -= k;
  }
}

using Args = FunctionCallbackInfo<Value>;

static void fail(Isolate* iso, const char* message) { iso->ThrowException(Exception::TypeError(str(iso, message))); }

// Bytes of a view argument; empty when it is none.
static std::string_view bytesOf(Local<Value> v, std::string& copy) {
  if (!v->IsArrayBufferView()) return {};
  Local<ArrayBufferView> a = v.As<ArrayBufferView>();
  copy.resize(a->ByteLength());
  a->CopyContents(copy.data(), copy.size());
  return copy;
}

static bool bytes(Isolate* iso, std::string_view s, Local<Value>* out) {
  Local<ArrayBuffer> b;
  if (!ArrayBuffer::MaybeNew(iso, s.size()).ToLocal(&b)) {
    iso->ThrowException(Exception::RangeError(str(iso, "Array buffer allocation failed")));
    return false;
  }
  memcpy(b->Data(), s.data(), s.size());
  *out = Uint8Array::New(b, 0, s.size());
  return true;
}

// Bounds on what one invocation may have waiting outside its heap.
static const size_t maxPending = 10000, maxRequestBytes = 64 << 20;

static void request(const Args& a, char type) {
  Isolate* iso = a.GetIsolate();
  Local<Context> c = iso->GetCurrentContext();
  lentil_realm* r = realmOf(c);
  Local<Promise::Resolver> res;
  if (!r || !a[0]->IsString() || !a[1]->IsString()) return fail(iso, "Expected an operation name and JSON text");
  if (r->world.kind == 0) return fail(iso, "Can't use the database or other functions at import time");
  if (r->pending.size() >= maxPending || r->requests.size() > maxRequestBytes) {
    iso->ThrowException(Exception::RangeError(str(iso, "Too many operations are waiting for an answer")));
    return;
  }
  if (!Promise::Resolver::New(c).ToLocal(&res)) return;
  uint32_t id = ++r->sequence;
  r->pending.emplace(id, Global<Promise::Resolver>(iso, res));
  r->requests.push_back(type);
  put32(r->requests, id);
  putString(iso, r->requests, a[0].As<String>());
  putString(iso, r->requests, a[1].As<String>());
  std::string copy;
  std::string_view body = bytesOf(a[2], copy);
  put32(r->requests, uint32_t(body.size()));
  r->requests.append(body);
  Local<Promise> p = res->GetPromise();
  if (type == 'H') {
    // Our shims want the id, to withdraw the request.
    Local<Value> both[] = {p, Integer::NewFromUnsigned(iso, id)};
    a.GetReturnValue().Set(Array::New(iso, both, 2));
  } else {
    a.GetReturnValue().Set(p);
  }
}
static void AsyncSyscall(const Args& a) { request(a, 'A'); }
static void AsyncHost(const Args& a) { request(a, 'H'); }

// cancel(id): the answer is not wanted any more; the promise stays pending.
static void Cancel(const Args& a) {
  lentil_realm* r = realmOf(a.GetIsolate()->GetCurrentContext());
  if (!r || !a[0]->IsUint32()) return;
  uint32_t id = a[0].As<Uint32>()->Value();
  if (!r->pending.erase(id)) return;
  r->requests.push_back('X');
  put32(r->requests, id);
}

static void ask(const Args& a, int own) {
  Isolate* iso = a.GetIsolate();
  Local<Context> c = iso->GetCurrentContext();
  lentil_realm* r = realmOf(c);
  if (!r || !a[0]->IsString() || !a[1]->IsString()) return fail(iso, "Expected an operation name and JSON text");
  if (!own && (!r->host || !r->world.kind)) return fail(iso, "Can't use database at import time");
  std::string op, arg, copy;
  appendUtf8(iso, op, a[0].As<String>());
  appendUtf8(iso, arg, a[1].As<String>());
  std::string_view body = bytesOf(a[2], copy);
  lentil_reply reply{};
  current = nullptr;  // Go code is not JavaScript: its faults must not park the thread
  lentilGoSyscall(r->host, own, op.data(), op.size(), arg.data(), arg.size(), const_cast<char*>(body.data()),
                  body.size(), &reply);
  current = r;
  std::string_view data(reply.data, reply.data_len);
  switch (reply.status) {
    case 0:
      a.GetReturnValue().Set(str(iso, data));
      break;
    case 1: {
      Local<Value> e = Exception::Error(str(iso, data)), d;
      if (reply.extra_len && JSON::Parse(c, str(iso, {reply.extra, reply.extra_len})).ToLocal(&d))
        e.As<Object>()->Set(c, str(iso, "data"), d).FromMaybe(false);
      iso->ThrowException(e);
      break;
    }
    case 2: {
      Local<Value> v;
      if (bytes(iso, data, &v)) a.GetReturnValue().Set(v);
      break;
    }
    case -1:
      if (r->owner) terminate(r->owner, LENTIL_HOST);
      break;
  }
  free(reply.data);
  free(reply.extra);
}
static void Syscall(const Args& a) { ask(a, 0); }
static void SyncHost(const Args& a) { ask(a, 1); }

// print(level, line). Go applies the log's limit; this one only bounds memory.
static const int maxLines = 300;
static void Print(const Args& a) {
  Isolate* iso = a.GetIsolate();
  lentil_realm* r = realmOf(iso->GetCurrentContext());
  if (!r || !a[1]->IsString() || ++r->lines > maxLines) return;
  r->requests.push_back('L');
  r->requests.push_back(char(a[0]->Uint32Value(iso->GetCurrentContext()).FromMaybe(4)));
  putString(iso, r->requests, a[1].As<String>());
}

static void Kind(const Args& a) {
  lentil_realm* r = realmOf(a.GetIsolate()->GetCurrentContext());
  a.GetReturnValue().Set(r ? r->world.kind : 0);
}

// now(): milliseconds since the invocation began; stands still while modules
// are imported and in queries.
static void Now(const Args& a) {
  lentil_realm* r = realmOf(a.GetIsolate()->GetCurrentContext());
  if (!r || r->world.kind <= 1) return a.GetReturnValue().Set(0.0);
  r->sawTime = true;
  a.GetReturnValue().Set(double(int64_t((monotonic() - r->began) * 10)) / 10);
}

static void RandomNumber(const Args& a) {
  lentil_realm* r = realmOf(a.GetIsolate()->GetCurrentContext());
  if (!r) return;
  r->sawRandom = true;
  a.GetReturnValue().Set(double(r->random.next() >> 11) * 0x1p-53);
}
static void RandomFill(const Args& a) {
  lentil_realm* r = realmOf(a.GetIsolate()->GetCurrentContext());
  if (!r || !a[0]->IsArrayBufferView()) return;
  r->sawRandom = true;
  Local<ArrayBufferView> v = a[0].As<ArrayBufferView>();
  r->random.fill(static_cast<char*>(v->Buffer()->Data()) + v->ByteOffset(), v->ByteLength());
}

// stop(description): ends the run in a way the program cannot catch.
static void Stop(const Args& a) {
  Isolate* iso = a.GetIsolate();
  lentil_realm* r = realmOf(iso->GetCurrentContext());
  if (!r || !r->owner || !a[0]->IsString()) return;
  r->value.clear();
  appendUtf8(iso, r->value, a[0].As<String>());
  r->value.push_back('\0');
  terminate(r->owner, LENTIL_DEVELOPER);
}

static void GetAsync(const Args& a) {
  a.GetReturnValue().Set(a.GetIsolate()->GetContinuationPreservedEmbedderData());
}
static void SetAsync(const Args& a) { a.GetIsolate()->SetContinuationPreservedEmbedderData(a[0]); }

static void Utf8Encode(const Args& a) {
  Isolate* iso = a.GetIsolate();
  if (!a[0]->IsString()) return;
  std::string s;
  Local<Value> v;
  appendUtf8(iso, s, a[0].As<String>());
  if (bytes(iso, s, &v)) a.GetReturnValue().Set(v);
}
// utf8Decode(view): invalid sequences become U+FFFD.
static void Utf8Decode(const Args& a) {
  std::string copy;
  std::string_view s = bytesOf(a[0], copy);
  a.GetReturnValue().Set(str(a.GetIsolate(), s));
}
// latin1(view): one character a byte.
static void Latin1(const Args& a) {
  std::string copy;
  std::string_view s = bytesOf(a[0], copy);
  Local<String> out;
  if (String::NewFromOneByte(a.GetIsolate(), reinterpret_cast<const uint8_t*>(s.data()), NewStringType::kNormal,
                             int(s.size()))
          .ToLocal(&out))
    a.GetReturnValue().Set(out);
}

// position(function): [script, line, column], 0-based; undefined when unknown.
static void Position(const Args& a) {
  Isolate* iso = a.GetIsolate();
  if (!a[0]->IsFunction()) return;
  Local<Function> f = a[0].As<Function>();
  Local<Value> name = f->GetScriptOrigin().ResourceName();
  if (name.IsEmpty() || !name->IsString()) return;
  Local<Value> v[] = {name, Integer::New(iso, f->GetScriptLineNumber()), Integer::New(iso, f->GetScriptColumnNumber())};
  a.GetReturnValue().Set(Array::New(iso, v, 3));
}

class CloneDelegate : public ValueSerializer::Delegate {
 public:
  explicit CloneDelegate(Isolate* iso) : iso_(iso) {}
  void ThrowDataCloneError(Local<String> m) override { iso_->ThrowException(Exception::Error(m)); }

 private:
  Isolate* iso_;
};
static void Clone(const Args& a) {
  Isolate* iso = a.GetIsolate();
  Local<Context> c = iso->GetCurrentContext();
  CloneDelegate d(iso);
  ValueSerializer s(iso, &d);
  s.WriteHeader();
  if (!s.WriteValue(c, a[0]).FromMaybe(false)) return;
  std::pair<uint8_t*, size_t> b = s.Release();
  ValueDeserializer back(iso, b.first, b.second);
  Local<Value> v;
  if (back.ReadHeader(c).FromMaybe(false) && back.ReadValue(c).ToLocal(&v)) a.GetReturnValue().Set(v);
  free(b.first);
}
// proxyTarget(value): the target of a Proxy, else undefined. Lets the console
// show proxies without running their traps.
static void ProxyTarget(const Args& a) {
  if (a[0]->IsProxy()) a.GetReturnValue().Set(a[0].As<Proxy>()->GetTarget());
}

struct Native {
  const char* name;
  FunctionCallback call;
};
static const Native natives[] = {
    {"syscall", Syscall},       {"asyncSyscall", AsyncSyscall}, {"syncHost", SyncHost},     {"asyncHost", AsyncHost},
    {"cancel", Cancel},         {"print", Print},               {"kind", Kind},             {"now", Now},
    {"random", RandomNumber},   {"randomFill", RandomFill},     {"stop", Stop},             {"getAsync", GetAsync},
    {"setAsync", SetAsync},     {"utf8Encode", Utf8Encode},     {"utf8Decode", Utf8Decode}, {"latin1", Latin1},
    {"position", Position},     {"clone", Clone},               {"proxyTarget", ProxyTarget},
};
const intptr_t references[] = {
    intptr_t(Syscall),   intptr_t(AsyncSyscall), intptr_t(SyncHost),     intptr_t(AsyncHost),  intptr_t(Cancel),
    intptr_t(Print),     intptr_t(Kind),         intptr_t(Now),          intptr_t(RandomNumber), intptr_t(RandomFill),
    intptr_t(Stop),      intptr_t(GetAsync),     intptr_t(SetAsync),     intptr_t(Utf8Encode), intptr_t(Utf8Decode),
    intptr_t(Latin1),    intptr_t(Position),     intptr_t(Clone),        intptr_t(ProxyTarget), 0,
};

void installNatives(Isolate* iso, Local<Context> c, Local<Object> target) {
  for (const Native& n : natives) {
    Local<Function> f;
    if (Function::New(c, n.call, Local<Value>(), 0, ConstructorBehavior::kThrow).ToLocal(&f)) {
      f->SetName(str(iso, n.name));
      target->Set(c, str(iso, n.name), f).FromMaybe(false);
    }
  }
}
}  // namespace lentil
