// The module graph, and startup snapshots.
#include <stdlib.h>
#include <string.h>

#include "engine.hh"

namespace lentil {

int Graph::find(Isolate* iso, Local<Module> m) const {
  for (size_t i = 0; i < modules.size(); i++)
    if (!modules[i].IsEmpty() && modules[i].Get(iso) == m) return int(i);
  return -1;
}

// The path a relative specifier means in a module; empty when it is none. What
// the house itself provides is addressed as it is, by a scheme of its own.
static std::string resolve(const std::string& from, const std::string& spec) {
  if (!spec.compare(0, 8, "convex:/")) return spec;
  if (spec.compare(0, 2, "./") && spec.compare(0, 3, "../")) return "";
  std::vector<std::string> parts;
  auto add = [&](const std::string& s) {
    size_t at = 0;
    while (at <= s.size()) {
      size_t to = s.find('/', at);
      if (to == std::string::npos) to = s.size();
      std::string p = s.substr(at, to - at);
      if (p == "..") {
        if (!parts.empty()) parts.pop_back();
      } else if (!p.empty() && p != ".") {
        parts.push_back(p);
      }
      at = to + 1;
    }
  };
  size_t dir = from.rfind('/');
  if (dir != std::string::npos) add(from.substr(0, dir));
  add(spec);
  std::string out;
  for (auto& p : parts) out += (out.empty() ? "" : "/") + p;
  return out;
}

static std::string utf8(Isolate* iso, Local<String> s) {
  std::string out;
  appendUtf8(iso, out, s);
  return out;
}

static MaybeLocal<Module> compile(Isolate* iso, Graph* g, size_t i) {
  if (!g->modules[i].IsEmpty()) return g->modules[i].Get(iso);
  ScriptOrigin origin(str(iso, g->paths[i]), 0, 0, false, -1, Local<Value>(), false, false, true);
  ScriptCompiler::Source src(g->sources[i], origin);
  Local<Module> m;
  if (!ScriptCompiler::CompileModule(iso, &src).ToLocal(&m)) return {};
  g->modules[i].Reset(iso, m);
  return m;
}

static MaybeLocal<Module> link(Local<Context> c, Local<String> spec, Local<FixedArray>, Local<Module> referrer) {
  Isolate* iso = c->GetIsolate();
  Graph* g = realmOf(c)->graph;
  int at = g->find(iso, referrer);
  std::string from = at < 0 ? "" : g->paths[at], s = utf8(iso, spec), path = resolve(from, s);
  auto it = g->index.find(path);
  if (it == g->index.end()) it = g->index.find(path + ".js");
  if (path.empty() || it == g->index.end()) {
    iso->ThrowException(
        Exception::Error(str(iso, "Could not resolve the import \"" + s + "\" in module \"" + from + "\"")));
    return {};
  }
  return compile(iso, g, it->second);
}

static MaybeLocal<Promise> rejectWith(Isolate* iso, Local<Context> c, const std::string& message) {
  Local<Promise::Resolver> r;
  if (!Promise::Resolver::New(c).ToLocal(&r)) return {};
  if (r->Reject(c, Exception::TypeError(str(iso, message))).IsNothing()) return {};
  return r->GetPromise();
}

MaybeLocal<Promise> importDynamically(Local<Context> c, Local<Data>, Local<Value> resource, Local<String> specifier,
                                      Local<FixedArray>) {
  Isolate* iso = c->GetIsolate();
  lentil_realm* r = realmOf(c);
  std::string spec = utf8(iso, specifier), from = resource->IsString() ? utf8(iso, resource.As<String>()) : "";
  if (!r) return {};
  if (r->world.kind == 1 || r->world.kind == 2)
    return rejectWith(iso, c, "Can't dynamically import \"" + spec + "\" in a query or mutation");
  std::string path = resolve(from, spec);
  Local<Promise::Resolver> out;
  if (!Promise::Resolver::New(c).ToLocal(&out)) return {};
  Graph* g = r->graph;
  if (g) {  // still importing: link and evaluate it now
    auto it = g->index.find(path);
    if (it == g->index.end()) return rejectWith(iso, c, "Could not find module \"" + spec + "\"");
    TryCatch tc(iso);
    Local<Module> m;
    Local<Value> p;
    if (!compile(iso, g, it->second).ToLocal(&m) || m->InstantiateModule(c, link).IsNothing() ||
        !m->Evaluate(c).ToLocal(&p)) {
      if (tc.HasTerminated()) return {};
      if (out->Reject(c, tc.Exception()).IsNothing()) return {};
      return out->GetPromise();
    }
    if (m->GetStatus() == Module::kErrored) {
      p.As<Promise>()->MarkAsHandled();
      if (out->Reject(c, m->GetException()).IsNothing()) return {};
    } else if (out->Resolve(c, m->GetModuleNamespace()).IsNothing()) {
      return {};
    }
    return out->GetPromise();
  }
  Local<Value> ns;
  if (path.empty() || !r->registry.Get(iso)->Get(c, str(iso, path)).ToLocal(&ns) || !ns->IsObject())
    return rejectWith(iso, c, "Could not find module \"" + spec + "\"");
  if (out->Resolve(c, ns).IsNothing()) return {};
  return out->GetPromise();
}

// Runs the shims in a fresh context; gives the hooks they leave, or an error.
Local<Object> runShims(lentil_realm* r, Local<Context> c, Local<Object> registry, const char* p, size_t n, const char* env, size_t envn,
                       std::string* error) {
  Isolate* iso = c->GetIsolate();
  TryCatch tc(iso);
  Local<Object> lx = Object::New(iso), native = Object::New(iso), hooks = Object::New(iso);
  installNatives(iso, c, native);
  lx->Set(c, str(iso, "native"), native).Check();
  lx->Set(c, str(iso, "hooks"), hooks).Check();
  lx->Set(c, str(iso, "registry"), registry).Check();
  lx->Set(c, str(iso, "env"), str(iso, {env, envn})).Check();
  for (const char* end = p + n; p < end;) {
    std::string_view name = takeString(p, end), source = takeString(p, end);
    ScriptOrigin origin(str(iso, name));
    ScriptCompiler::Source src(str(iso, source), origin);
    Local<Script> script;
    Local<Value> f, out, arg = lx;
    if (!ScriptCompiler::Compile(c, &src).ToLocal(&script) || !script->Run(c).ToLocal(&f) || !f->IsFunction() ||
        !f.As<Function>()->Call(c, Undefined(iso), 1, &arg).ToLocal(&out)) {
      *error = "shim " + std::string(name) + ": ";
      if (tc.HasCaught()) {
        String::Utf8Value s(iso, tc.Exception());
        *error += *s ? *s : "?";
        *error += " line " + std::to_string(tc.Message()->GetLineNumber(c).FromMaybe(0));
      }
      return hooks;
    }
  }
  r->hooks.Reset(iso, hooks);
  return hooks;
}

// Compiles, links and evaluates every module, in the order given. Modules that
// throw are told in errors, the others land in registry.
void importModules(lentil_realm* r, Local<Context> c, Local<Object> registry, const char* p, size_t n,
                   std::string* errors) {
  Isolate* iso = c->GetIsolate();
  Graph g;
  r->graph = &g;
  for (const char* end = p + n; p < end;) {
    std::string path(takeString(p, end));
    std::string_view source = takeString(p, end);
    g.index[path] = g.paths.size();
    g.paths.push_back(path);
    g.sources.push_back(str(iso, source));
    g.modules.emplace_back();
  }
  for (size_t i = 0; i < g.paths.size() && !iso->IsExecutionTerminating(); i++) {
    HandleScope hs(iso);
    TryCatch tc(iso);
    Local<Module> m;
    Local<Value> done, reason;
    bool ok = compile(iso, &g, i).ToLocal(&m) && !m->InstantiateModule(c, link).IsNothing() &&
              m->Evaluate(c).ToLocal(&done);
    if (ok && done->IsPromise()) {
      done.As<Promise>()->MarkAsHandled();
      r->queue->PerformCheckpoint(iso);
      if (done.As<Promise>()->State() == Promise::kPending) {
        ok = false;
        reason = Exception::Error(str(iso, "Top-level await in module \"" + g.paths[i] + "\" did not finish"));
      } else if (done.As<Promise>()->State() == Promise::kRejected) {
        ok = false;
        reason = done.As<Promise>()->Result();
      }
    }
    if (tc.HasTerminated() || iso->IsExecutionTerminating()) break;
    if (ok) {
      registry->Set(c, str(iso, g.paths[i]), m->GetModuleNamespace()).Check();
      continue;
    }
    if (reason.IsEmpty()) reason = tc.HasCaught() ? tc.Exception() : Undefined(iso).As<Value>();
    std::string text = describe(r, c, tc, reason);
    put32(*errors, uint32_t(g.paths[i].size()));
    errors->append(g.paths[i]);
    put32(*errors, uint32_t(text.size()));
    errors->append(text);
  }
  r->graph = nullptr;
}

// Calls a hook without arguments; what it throws is of no interest.
static void callHook(lentil_realm* r, Local<Context> c, const char* name) {
  Isolate* iso = c->GetIsolate();
  TryCatch tc(iso);
  Local<Value> f, out;
  if (r->hooks.IsEmpty() || !r->hooks.Get(iso)->Get(c, str(iso, name)).ToLocal(&f) || !f->IsFunction()) return;
  if (f.As<Function>()->Call(c, Undefined(iso), 0, nullptr).ToLocal(&out)) return;
}

static char* copy(const char* p, size_t n) {
  char* out = static_cast<char*>(malloc(n + 1));
  memcpy(out, p, n);
  return out;
}
}  // namespace lentil

using namespace lentil;

extern "C" lentil_blob lentil_load(uint64_t id, const char* scripts, size_t sn, const char* modules, size_t mn,
                                   const char* env, size_t envn, lentil_world world, lentil_limits limits,
                                   lentil_isolate** watched) {
  lentil_blob out{};
  lentil_isolate* owner = new lentil_isolate;
  owner->id = id;
  owner->allocator.reset(new CappedAllocator(limits.buffers));
  std::string errors;
  lentil_realm* r = new lentil_realm;
  r->owner = nullptr;
  {
    Isolate::CreateParams params;
    params.array_buffer_allocator = owner->allocator.get();
    params.external_references = references;
    params.constraints.set_max_old_generation_size_in_bytes(limits.heap);
    params.constraints.set_max_young_generation_size_in_bytes(48u << 20);
    SnapshotCreator creator(params);
    Isolate* iso = owner->iso = creator.GetIsolate();
    prepareIsolate(owner, true);
    setStackLimit(iso);
    r->owner = owner;
    r->world = world;
    r->random.seed(world.seed);
    {
      __atomic_store_n(watched, owner, __ATOMIC_RELEASE);
      Turn turn(r);
      {
        HandleScope hs(iso);
        creator.SetDefaultContext(Context::New(iso));
        r->queue = MicrotaskQueue::New(iso, MicrotasksPolicy::kExplicit);
        Local<Context> c = Context::New(iso, nullptr, MaybeLocal<ObjectTemplate>(), MaybeLocal<Value>(),
                                        DeserializeInternalFieldsCallback(), r->queue.get());
        c->SetAlignedPointerInEmbedderData(1, r);
        {
          Context::Scope cs(c);
          std::string broken;
          Local<Object> registry = Object::New(iso, Null(iso), nullptr, nullptr, 0);
          Local<Object> hooks = runShims(r, c, registry, scripts, sn, env, envn, &broken);
          if (broken.empty()) {
            importModules(r, c, registry, modules, mn, &errors);
          } else {
            put32(errors, 0);
            put32(errors, uint32_t(broken.size()));
            errors += broken;
          }
          callHook(r, c, "imported");
          creator.AddData(c, registry);
          creator.AddData(c, hooks);
          iso->SetContinuationPreservedEmbedderData(Undefined(iso));
        }
        // V8 forgets a termination once no JavaScript is left on the stack.
        out.why = owner->why;
        if (iso->IsExecutionTerminating()) iso->CancelTerminateExecution();
        c->SetAlignedPointerInEmbedderData(1, nullptr);
        creator.AddContext(c);
      }
      r->rejected.clear();
      r->pending.clear();
      r->hooks.Reset();
      // A heap that ran full is of no use, and making its blob needs room.
      if (out.why != LENTIL_MEMORY) {
        StartupData d = creator.CreateBlob(SnapshotCreator::FunctionCodeHandling::kKeep);
        if (d.data && out.why == LENTIL_RUNNING) {
          out.data = copy(d.data, size_t(d.raw_size));
          out.data_len = size_t(d.raw_size);
        }
        delete[] d.data;
      }
      r->queue.reset();
    }
  }
  delete r;
  out.errors = copy(errors.data(), errors.size());
  out.errors_len = errors.size();
  return out;
}

// Ends the life of the isolate that lentil_load let the caller watch; the
// caller must have stopped watching.
extern "C" void lentil_load_done(lentil_isolate* i) { delete i; }
