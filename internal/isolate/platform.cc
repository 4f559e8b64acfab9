// Start of V8, its clock, and what happens when V8 gives up.
#if defined(__linux__)
#include <malloc.h>
#endif
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <mach/mach.h>
#endif

#include "engine.hh"

namespace lentil {

thread_local lentil_realm* current = nullptr;

double monotonic() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) * 1e3 + double(t.tv_nsec) / 1e6;
}

// Processor time of a thread. On Linux a clock id names the thread; on darwin
// the thread's mach port stands in its place.
int64_t threadTime(clockid_t c) {
#if defined(__APPLE__)
  thread_basic_info_data_t info;
  mach_msg_type_number_t n = THREAD_BASIC_INFO_COUNT;
  if (thread_info(mach_port_t(c), THREAD_BASIC_INFO, thread_info_t(&info), &n) != KERN_SUCCESS) return 0;
  return (int64_t(info.user_time.seconds) + info.system_time.seconds) * 1000000000 +
         (int64_t(info.user_time.microseconds) + info.system_time.microseconds) * 1000;
#else
  timespec t;
  if (clock_gettime(c, &t)) return 0;
  return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
#endif
}

static clockid_t ownClock() {
#if defined(__APPLE__)
  return clockid_t(pthread_mach_thread_np(pthread_self()));
#else
  static thread_local clockid_t c = [] {
    clockid_t id = CLOCK_THREAD_CPUTIME_ID;
    pthread_getcpuclockid(pthread_self(), &id);
    return id;
  }();
  return c;
#endif
}

Turn::Turn(lentil_realm* r) : was_(current), owner_(r->owner) {
  current = r;
  if (!owner_) return;
  std::lock_guard<std::mutex> g(owner_->guard);
  owner_->clock = ownClock();
  owner_->started = threadTime(owner_->clock);
  owner_->running = true;
}
int64_t Turn::used() const { return owner_ ? threadTime(owner_->clock) - owner_->started : 0; }
Turn::~Turn() {
  if (owner_) {
    std::lock_guard<std::mutex> g(owner_->guard);
    owner_->running = false;
    owner_->used += used();
  }
  current = was_;
}

// The default platform with one change: the wall clock stands still for a
// thread that runs a query or mutation, or imports modules. V8 asks the
// platform for every Date.now(), new Date() and Intl default.
class Clock : public Platform {
 public:
  explicit Clock(std::unique_ptr<Platform> p) : p_(std::move(p)) {}
  Platform* inner() { return p_.get(); }

  double CurrentClockTimeMillis() override {
    if (lentil_realm* r = current) {
      r->sawTime = true;
      if (r->world.kind != 3) return r->world.now;
    }
    return p_->CurrentClockTimeMillis();
  }
  PageAllocator* GetPageAllocator() override { return p_->GetPageAllocator(); }
  ThreadIsolatedAllocator* GetThreadIsolatedAllocator() override { return p_->GetThreadIsolatedAllocator(); }
  void OnCriticalMemoryPressure() override { p_->OnCriticalMemoryPressure(); }
  int NumberOfWorkerThreads() override { return p_->NumberOfWorkerThreads(); }
  std::shared_ptr<TaskRunner> GetForegroundTaskRunner(Isolate* i, TaskPriority t) override {
    return p_->GetForegroundTaskRunner(i, t);
  }
  bool IdleTasksEnabled(Isolate* i) override { return p_->IdleTasksEnabled(i); }
  std::unique_ptr<ScopedBlockingCall> CreateBlockingScope(BlockingType t) override {
    return p_->CreateBlockingScope(t);
  }
  double MonotonicallyIncreasingTime() override { return p_->MonotonicallyIncreasingTime(); }
  StackTracePrinter GetStackTracePrinter() override { return p_->GetStackTracePrinter(); }
  TracingController* GetTracingController() override { return p_->GetTracingController(); }
  void DumpWithoutCrashing() override { p_->DumpWithoutCrashing(); }

 protected:
  std::unique_ptr<JobHandle> CreateJobImpl(TaskPriority t, std::unique_ptr<JobTask> job,
                                           const SourceLocation& l) override {
    return p_->CreateJob(t, std::move(job), l);
  }
  void PostTaskOnWorkerThreadImpl(TaskPriority t, std::unique_ptr<Task> task, const SourceLocation& l) override {
    p_->PostTaskOnWorkerThread(t, std::move(task), l);
  }
  void PostDelayedTaskOnWorkerThreadImpl(TaskPriority t, std::unique_ptr<Task> task, double s,
                                         const SourceLocation& l) override {
    p_->PostDelayedTaskOnWorkerThread(t, std::move(task), s, l);
  }

 private:
  std::unique_ptr<Platform> p_;
};

void terminate(lentil_isolate* i, int why) {
  int none = LENTIL_RUNNING;
  i->why.compare_exchange_strong(none, why);
  i->iso->TerminateExecution();
}

static Clock* house;
Platform* innerPlatform() { return house->inner(); }

// Fatal errors that V8 cannot give back (a table or array too large, no memory
// even so) end in abort(), a trap or an illegal instruction. Instead of the
// process, end this thread: report its isolate on the pipe and sleep for ever.
static int deadFd = -1;
static struct sigaction oldAbort, oldTrap, oldIllegal;

void park(const char* message) {
  lentil_realm* r = current;
  if (!r || !r->owner) return;
  if (!r->owner->fatal[0]) strncpy(r->owner->fatal, message ? message : "?", sizeof r->owner->fatal - 1);
  uint64_t id = r->owner->id;
  while (write(deadFd, &id, sizeof id) < 0) {
  }
  for (;;) pause();
}

static void onSignal(int sig, siginfo_t* info, void* uc) {
  park("signal");
  struct sigaction& o = sig == SIGABRT ? oldAbort : sig == SIGTRAP ? oldTrap : oldIllegal;
  if (o.sa_flags & SA_SIGINFO) {
    o.sa_sigaction(sig, info, uc);
  } else if (o.sa_handler == SIG_DFL) {
    sigaction(sig, &o, nullptr);
  } else if (o.sa_handler != SIG_IGN) {
    o.sa_handler(sig);
  }
}

static void onFatal(const char*, int, const char* message) { park(message); }

void setStackLimit(Isolate* iso) {
  static thread_local uintptr_t low = [] {
#if defined(__APPLE__)
    return uintptr_t(pthread_get_stackaddr_np(pthread_self())) - pthread_get_stacksize_np(pthread_self());
#else
    pthread_attr_t a;
    void* p = nullptr;
    size_t n = 0;
    if (pthread_getattr_np(pthread_self(), &a)) return uintptr_t(0);
    pthread_attr_getstack(&a, &p, &n);
    pthread_attr_destroy(&a);
    return uintptr_t(p);
#endif
  }();
  // As much as V8 takes by itself, but never closer to the end of the
  // thread's stack than native code may need.
  uintptr_t here = uintptr_t(__builtin_frame_address(0)), limit = here - 984 * 1024;
  if (low && limit < low + 160 * 1024) limit = low + 160 * 1024;
  iso->SetStackLimit(limit);
}
}  // namespace lentil

using namespace lentil;

extern "C" void lentil_init(const char* flags, int dead_fd) {
  deadFd = dead_fd;
  // Functions see UTC and English whatever the operator's machine is set to.
  // This changes the C library's environment, not Go's copy of it.
  setenv("TZ", "UTC", 1);
  setenv("LC_ALL", "en_US", 1);
  v8::V8::SetFlagsFromString(flags);
  house = new Clock(v8::platform::NewDefaultPlatform(1));
  v8::V8::InitializePlatform(house);
  v8::V8::Initialize();
  v8::V8::SetFatalErrorHandler(onFatal);
  struct sigaction s;
  memset(&s, 0, sizeof s);
  s.sa_sigaction = onSignal;
  s.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigaction(SIGABRT, &s, &oldAbort);
  sigaction(SIGTRAP, &s, &oldTrap);
  sigaction(SIGILL, &s, &oldIllegal);
  // The anchor: as long as one isolate lives, the process-wide read-only heap
  // is not torn down and set up again under other threads, a race that crashes
  // when a snapshot is being made at the same time.
  Isolate::CreateParams p;
  p.array_buffer_allocator = new CappedAllocator(1 << 20);
  Isolate::New(p);
}

extern "C" const char* lentil_fatal(lentil_isolate* i) { return i->fatal; }

extern "C" void lentil_trim(void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

extern "C" int lentil_watch(lentil_isolate* i, int64_t budget) {
  std::lock_guard<std::mutex> g(i->guard);
  if (i->running && ++i->looks % 4 == 0) requestCheck(i);
  if (!i->running || i->used + threadTime(i->clock) - i->started <= budget) return 0;
  terminate(i, LENTIL_TIMEOUT);
  return 1;
}

extern "C" int lentil_stop(lentil_isolate* i, int why) {
  std::lock_guard<std::mutex> g(i->guard);
  if (!i->running) return 0;
  terminate(i, why);
  return 1;
}
