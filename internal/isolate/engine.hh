// What the C++ files of the binding share.
#pragma once
#include <libplatform/libplatform.h>
#include <pthread.h>
#include <v8.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "binding.h"

namespace lentil {
using namespace v8;
class Imprint;

// Array-buffer bytes live outside the JavaScript heap: count and cap them.
class CappedAllocator : public ArrayBuffer::Allocator {
 public:
  explicit CappedAllocator(size_t cap) : cap_(cap) {}
  void* Allocate(size_t n) override { return take(n) ? base_->Allocate(n) : nullptr; }
  void* AllocateUninitialized(size_t n) override { return take(n) ? base_->AllocateUninitialized(n) : nullptr; }
  void Free(void* p, size_t n) override {
    used_.fetch_sub(n);
    base_->Free(p, n);
  }
  PageAllocator* GetPageAllocator() override { return base_->GetPageAllocator(); }

 private:
  bool take(size_t n) {
    if (used_.fetch_add(n) + n > cap_) {
      used_.fetch_sub(n);
      return false;
    }
    return true;
  }
  std::unique_ptr<ArrayBuffer::Allocator> base_{ArrayBuffer::Allocator::NewDefaultAllocator()};
  std::atomic<size_t> used_{0};
  size_t cap_;
};

// ChaCha with 12 rounds: the random numbers of an invocation, from its seed.
class Random {
 public:
  void seed(const uint8_t key[32]);
  void fill(void* p, size_t n);
  uint64_t next() {
    uint64_t v;
    fill(&v, sizeof v);
    return v;
  }

 private:
  void block();
  uint32_t key_[8] = {0};
  uint64_t counter_ = 0;
  uint8_t buf_[64];
  size_t at_ = 64;
};

// Modules while they are being linked and evaluated.
struct Graph {
  std::vector<std::string> paths;
  std::vector<Local<String>> sources;
  std::vector<Global<Module>> modules;
  std::unordered_map<std::string, size_t> index;
  int find(Isolate*, Local<Module>) const;
};
}  // namespace lentil

// One V8 isolate. One invocation at a time uses it.
struct lentil_isolate {
  v8::Isolate* iso = nullptr;
  uint64_t id = 0;
  v8::StartupData blob{nullptr, 0};
  std::unique_ptr<lentil::CappedAllocator> allocator;
  size_t externalLimit = SIZE_MAX;
  int looks = 0;   // of the watchdog at this invocation
  char fatal[200] = "";  // what V8 said when it gave up
  // Numbers that V8 shares between the contexts of an isolate, and what they are.
  std::vector<std::pair<double*, double>> numbers;
  uint32_t collections = 0, scavenges = 0;  // of garbage, so far
  int raised = 0;  // how often the heap limit was raised to let JavaScript unwind

  // For the watchdog. guard is held over every change of running and every
  // look from another thread: while running is set the isolate is alive and
  // clock names the thread it is on.
  std::mutex guard;
  bool running = false;
  std::atomic<int> why{LENTIL_RUNNING};
  std::atomic<int64_t> started{0};  // thread time at the turn's begin
  std::atomic<int64_t> used{0};     // thread time of earlier turns of this invocation
  clockid_t clock{};
};

// One context, for one invocation (or one import).
struct lentil_realm {
  lentil_isolate* owner = nullptr;
  std::unique_ptr<v8::MicrotaskQueue> queue;
  v8::Global<v8::Context> context;
  v8::Global<v8::Object> registry;  // module path -> namespace
  v8::Global<v8::Object> hooks;     // functions of the shims that we call
  v8::Global<v8::Promise> promise;
  std::unordered_map<uint32_t, v8::Global<v8::Promise::Resolver>> pending;
  std::vector<std::pair<v8::Global<v8::Promise>, v8::Global<v8::Value>>> rejected;
  uint32_t sequence = 0;
  std::string requests, value;
  uintptr_t host = 0;
  lentil_world world{};
  lentil::Random random;
  double began = 0;  // monotonic ms, for performance.now
  bool sawTime = false, sawRandom = false;
  int lines = 0;  // of the log
  lentil::Graph* graph = nullptr;
  std::unique_ptr<lentil::Imprint> imprint;  // if it is to serve again
  lentil_realm();
  ~lentil_realm();
};

namespace lentil {
// The realm whose JavaScript this thread is running, if any: decides what the
// clock says, and whether a fatal error may park the thread.
extern thread_local lentil_realm* current;

extern const intptr_t references[];

double monotonic();
int64_t threadTime(clockid_t);

Local<String> str(Isolate*, std::string_view);
void put32(std::string&, uint32_t);
void putString(Isolate*, std::string&, Local<String>);   // with its length
void appendUtf8(Isolate*, std::string&, Local<String>);  // without
std::string_view takeString(const char*& p, const char* end);

lentil_realm* realmOf(Local<Context>);
void installNatives(Isolate*, Local<Context>, Local<Object> target);
void prepareIsolate(lentil_isolate*, bool limited);
std::string describe(lentil_realm*, Local<Context>, TryCatch&, Local<Value>);
Local<Object> runShims(lentil_realm*, Local<Context>, Local<Object> registry, const char* scripts, size_t n, const char* env, size_t envn,
                       std::string* error);
void importModules(lentil_realm*, Local<Context>, Local<Object> registry, const char* modules, size_t n,
                   std::string* errors);
void setStackLimit(Isolate*);
MaybeLocal<Promise> importDynamically(Local<Context>, Local<Data>, Local<Value> resource, Local<String> specifier,
                                      Local<FixedArray>);
void onReject(PromiseRejectMessage);
Platform* innerPlatform();
void requestCheck(lentil_isolate*);
void findNumbers(lentil_isolate*);
void restoreNumbers(lentil_isolate*);
void park(const char* message);
void terminate(lentil_isolate*, int why);  // from the isolate's own thread, or under its guard

// Marks this thread as running JavaScript of a realm, and keeps its time.
class Turn {
 public:
  explicit Turn(lentil_realm* r);
  ~Turn();
  int64_t used() const;

 private:
  lentil_realm* was_;
  lentil_isolate* owner_;
};
}  // namespace lentil
