// Whether a context is still as it was before its first invocation.
//
// An imprint is a copy of every object that can be reached from a fresh context
// and that JavaScript could change: globals, intrinsics, shims, modules, the
// variables of closures, private members, the insides of maps, dates and
// generators. After an invocation the same bytes are compared. If none differs,
// nothing that the next invocation could see has changed, whatever the code did
// in between, and the context can serve again.
//
// The objects are enumerated by the functions that V8's own collector and
// serialiser use. No public header declares them, but they stand in the library,
// whose version go.mod pins: with another one the link fails, or the tests of
// this file do. It reads the heap and never writes to it.
#include <string.h>

#include <algorithm>
#include <unordered_set>

#include "imprint.hh"

#define LABEL2(prefix, name) #prefix name
#define LABEL1(prefix, name) LABEL2(prefix, name)
#define LABEL(name) __asm__(LABEL1(__USER_LABEL_PREFIX__, name))

namespace lentil {

using Address = uintptr_t;  // of an object, with V8's tag in the lowest bit

// What V8 calls for each reference that an object holds. The order of the
// methods is that of v8::internal::ObjectVisitor; only the names are ours.
class References {
 public:
  virtual ~References() = default;
  virtual void slots(Address host, uint32_t* from, uint32_t* to) = 0;
  virtual void maybeWeakSlots(Address host, uint32_t* from, uint32_t* to) = 0;
  virtual void instructionStream(Address, uintptr_t) {}
  virtual void weakSlots(Address, uint32_t*, uint32_t*) {}
  virtual void slot(Address host, uint32_t* at) { slots(host, at, at + 1); }
  virtual void maybeWeakSlot(Address host, uint32_t* at) { maybeWeakSlots(host, at, at + 1); }
  virtual void weakSlot(Address, uint32_t*) {}
  virtual void ephemeron(Address host, int, uint32_t* key, uint32_t* value) {
    slot(host, key);
    slot(host, value);
  }
  virtual void codeTarget(Address, void*) {}
  virtual void embeddedPointer(Address, void*) {}
  virtual void externalReference(Address, void*) {}
  virtual void internalReference(Address, void*) {}
  virtual void offHeapTarget(Address, void*) {}
  virtual void externalPointer(Address, uintptr_t, uintptr_t) {}
  virtual void cppHeapPointer(Address, uintptr_t) {}
  virtual void indirectPointer(Address, uintptr_t, uintptr_t, int) {}
  virtual void protectedPointer(Address, uintptr_t) {}
  virtual void maybeProtectedPointer(Address, uintptr_t) {}
  virtual void trustedPointerEntry(Address, uintptr_t, uintptr_t) {}
  virtual void dispatchEntry(Address, uint32_t) {}
  virtual void mapPointer(Address host) {
    uint32_t* at = reinterpret_cast<uint32_t*>(host - 1);
    slots(host, at, at + 1);
  }
};

void visitObject(Isolate*, Address, References*)
    LABEL("_ZN2v88internal11VisitObjectEPNS0_7IsolateENS0_6TaggedINS0_10HeapObjectEEEPNS0_13ObjectVisitorE");
int sizeFromMap(const Address* object, Address map)
    LABEL("_ZNK2v88internal10HeapObject11SizeFromMapENS0_6TaggedINS0_3MapEEE");
bool readOnly(Address) LABEL("_ZN2v88internal12ReadOnlyHeap8ContainsENS0_6TaggedINS0_10HeapObjectEEE");
#if defined(__APPLE__)
std::string nameOfType(uint16_t) LABEL("_ZN2v88internal8ToStringENS0_12InstanceTypeE");
#else
std::string nameOfType(uint16_t) LABEL("_ZN2v88internal8ToStringB5cxx11ENS0_12InstanceTypeE");
#endif

extern const size_t jobCountOffset LABEL("_ZN2v88internal14MicrotaskQueue11kSizeOffsetE");
static intptr_t waitingJobs(const MicrotaskQueue* q) {
  intptr_t n;
  memcpy(&n, reinterpret_cast<const char*>(q) + jobCountOffset, sizeof n);
  return n;
}

// Handles of V8 are addresses of places that hold an object's address.
template <class T>
static Local<T> handle(Address* place) {
  Local<T> h;
  static_assert(sizeof h == sizeof place);
  memcpy(static_cast<void*>(&h), &place, sizeof place);
  return h;
}
void ensureHasInitialMap(Address* function) LABEL("_ZN2v88internal10JSFunction19EnsureHasInitialMapENS0_12DirectHandleIS1_EE");
void makePrototypesFast(Address* object, int from, Isolate*)
    LABEL("_ZN2v88internal8JSObject18MakePrototypesFastENS0_12DirectHandleINS0_6ObjectEEENS0_12WhereToStartEPNS0_7IsolateE");

static uint32_t word(Address object, int offset) {
  uint32_t w;
  memcpy(&w, reinterpret_cast<const char*>(object - 1 + offset), 4);
  return w;
}
static bool isObject(uint32_t w) { return (w & 3) == 1; }
static Address expand(Address base, uint32_t w) { return (base & ~Address(0xffffffff)) | w; }
static Address mapOf(Address object) { return expand(object, word(object, 0)); }
static uint16_t typeOf(Address object) { return uint16_t(word(mapOf(object), v8::internal::Internals::kMapInstanceTypeOffset)); }

// How an object of a type is treated.
enum Treatment : uint8_t {
  kUnknown,
  kCompare,    // what JavaScript can change lies in its bytes
  kShape,      // never changes in place, but leads to objects that do
  kImmutable,  // a value that never changes
  kMachinery,  // code, feedback, caches: no value of JavaScript, and no part of one
};

// The types not compared, by V8's names. Whatever is not listed is.
static const char* const immutableTypes[] = {"SYMBOL_TYPE", "BIG_INT_BASE_TYPE", "ODDBALL_TYPE", "HOLE_TYPE"};
static const char* const machineryTypes[] = {
    // code and what goes with it
    "SHARED_FUNCTION_INFO_TYPE", "SCRIPT_TYPE", "SCOPE_INFO_TYPE", "BYTECODE_ARRAY_TYPE", "CODE_TYPE",
    "CODE_WRAPPER_TYPE", "INSTRUCTION_STREAM_TYPE", "BYTECODE_WRAPPER_TYPE", "INTERPRETER_DATA_TYPE",
    "PREPARSE_DATA_TYPE", "UNCOMPILED_DATA_TYPE", "CLASS_POSITIONS_TYPE", "CLASS_BOILERPLATE_TYPE",
    "FUNCTION_TEMPLATE_INFO_TYPE", "FUNCTION_TEMPLATE_RARE_DATA_TYPE", "OBJECT_TEMPLATE_INFO_TYPE",
    "ACCESSOR_INFO_TYPE", "DEBUG_INFO_TYPE",
    // what V8 learns of running code
    "FEEDBACK_CELL_TYPE", "FEEDBACK_VECTOR_TYPE", "FEEDBACK_METADATA_TYPE", "CLOSURE_FEEDBACK_CELL_ARRAY_TYPE",
    "ALLOCATION_SITE_TYPE", "ALLOCATION_MEMENTO_TYPE", "LOAD_HANDLER_TYPE", "STORE_HANDLER_TYPE",
    "PROTOTYPE_INFO_TYPE", "TRANSITION_ARRAY_TYPE", "ENUM_CACHE_TYPE", "WEAK_FIXED_ARRAY_TYPE",
    "WEAK_ARRAY_LIST_TYPE", "WEAK_CELL_TYPE", "FOREIGN_TYPE",
};

// Types that have state outside of the heap, where an imprint does not look. None
// of them exists before a program makes one.
static const char* const outsideTypes[] = {
    "WASM_INSTANCE_OBJECT_TYPE", "WASM_MEMORY_OBJECT_TYPE", "WASM_TABLE_OBJECT_TYPE", "WASM_GLOBAL_OBJECT_TYPE",
    "WASM_MODULE_OBJECT_TYPE", "WASM_STRUCT_TYPE", "WASM_ARRAY_TYPE", "WASM_SUSPENDER_OBJECT_TYPE",
    "JS_SEGMENTS_TYPE", "JS_SEGMENT_ITERATOR_TYPE", "JS_V8_BREAK_ITERATOR_TYPE", "JS_EXTERNAL_OBJECT_TYPE",
    "JS_SHARED_STRUCT_TYPE", "JS_SHARED_ARRAY_TYPE", "JS_FINALIZATION_REGISTRY_TYPE", "JS_WEAK_REF_TYPE",
};

struct Types {
  Treatment of(uint16_t type) {
    if (type < v8::internal::Internals::kFirstNonstringType) return kImmutable;
    if (type >= known.size()) known.resize(type + 1);
    Treatment& t = known[type];
    if (t != kUnknown) return t;
    std::string name = nameOfType(type);
    t = kCompare;
    if (name == "MAP_TYPE" || name == "DESCRIPTOR_ARRAY_TYPE") t = kShape;
    for (const char* o : immutableTypes)
      if (name == o) t = kImmutable;
    for (const char* o : machineryTypes)
      if (name == o) t = kMachinery;
    for (const char* o : outsideTypes)
      if (name == o) elsewhere.insert(type);
    if (name == "MAP_TYPE") map = type;
    if (name == "NATIVE_CONTEXT_TYPE") nativeContext = type;
    if (name == "REG_EXP_MATCH_INFO_TYPE") matchInfo = type;
    if (name == "HOLE_TYPE") hole = type;
    if (name == "EPHEMERON_HASH_TABLE_TYPE") ephemerons = type;
    if (name == "FIXED_ARRAY_TYPE") fixedArray = type;
    if (name == "PROPERTY_ARRAY_TYPE") propertyArray = type;
    if (name == "NAME_DICTIONARY_TYPE") nameDictionary = type;
    if (name == "HEAP_NUMBER_TYPE") heapNumber = type;
    if (name == "JS_ARRAY_BUFFER_TYPE") arrayBuffer = type;
    if (name.compare(0, 11, "JS_FUNCTION") == 0 || name.find("_CONSTRUCTOR_TYPE") != std::string::npos) functions.insert(type);
    return t;
  }
  // JavaScript's objects are the highest types.
  static bool isReceiver(uint16_t type) { return type >= v8::internal::Internals::kJSSpecialApiObjectType; }
  std::vector<Treatment> known;
  std::unordered_set<uint16_t> functions, elsewhere;
  uint16_t map = 0, nativeContext = 0, matchInfo = 0, hole = 0, ephemerons = 0, fixedArray = 0, propertyArray = 0,
           nameDictionary = 0, heapNumber = 0, arrayBuffer = 0;
};

// Everything that can be reached from a context.
struct Walk : References {
  explicit Walk(Types& t) : types(t) {}
  void from(Isolate* iso, Address root) {
    add(root);
    for (size_t i = 0; i < found.size(); i++) visitObject(iso, found[i], this);
  }
  void add(Address o) {
    if (seen.insert(o).second && !readOnly(o) && types.of(typeOf(o)) <= kShape) found.push_back(o);
  }
  void slots(Address host, uint32_t* from, uint32_t* to) override {
    for (; from < to; from++)
      if (isObject(*from)) add(expand(host, *from));
  }
  void maybeWeakSlots(Address host, uint32_t* from, uint32_t* to) override { slots(host, from, to); }

  Types& types;
  std::unordered_set<Address> seen;
  std::vector<Address> found;
};

// Bytes of a shape that count: its prototype and its constructor.
static const int kShapeFrom = 16, kShapeSize = 8;
// Words of a function that do not count: its compiled code and its feedback.
static const int kFunctionCode = 12, kFunctionFeedback = 24;
static const int kFunctionPrototype = 28;
static const int kPropertiesOrHash = 4;
static const int kNumberValue = 4, kLength = 4, kElements = 8;
static const int kLengthAndHash = 4, kDictionaryHash = 24;
static const uint32_t kLengthMask = 0x7ff;  // as V8 tags it
static const int kShapeBits = 8;        // type:16 bits:8 bits:8
static const uint8_t kOddPrototype = 1 << 0;  // the function's prototype is no object
static const uint8_t kHasPrototype = 1 << 7;
static uint8_t shapeBits(Address shape) { return uint8_t(word(shape, kShapeBits) >> 16); }

static Address rootOf(Local<Context> c) { return *reinterpret_cast<Address*>(*c); }

// V8 keeps the value of a property that was always a fraction in a box, and
// changes the box in place. The boxes of a snapshot are part of the isolate:
// all its contexts would share { n: 0.5 }.n. So every invocation ends with
// putting back what the boxes held. They never move and are never freed.
void findNumbers(lentil_isolate* i) {
  Types types;
  std::unordered_set<Address> once;
  for (int round = 0; round < 2; round++) {
    HandleScope hs(i->iso);
    Local<Context> c;
    if (!Context::FromSnapshot(i->iso, 0).ToLocal(&c)) return;
    Walk walk(types);
    walk.from(i->iso, rootOf(c));
    for (Address o : walk.found)
      if (typeOf(o) == types.heapNumber && !once.insert(o).second) {
        auto* n = reinterpret_cast<double*>(o - 1 + kNumberValue);
        i->numbers.push_back({n, *n});
      }
  }
}
void restoreNumbers(lentil_isolate* i) {
  for (auto& [at, n] : i->numbers)
    if (memcmp(at, &n, sizeof n)) memcpy(at, &n, sizeof n);
}

Imprint::Imprint(lentil_isolate* owner, Local<Context> c) : owner_(owner), types_(new Types) {
  settle(c);
  owner->iso->LowMemoryNotification();
  Walk walk(*types_);
  walk.from(owner->iso, rootOf(c));
  Types& t = *types_;
  for (Address o : walk.found) {
    uint16_t type = typeOf(o);
    Piece p{o - 1, uint32_t(sizeFromMap(&o, mapOf(o))), 0, type, 0};
    if (type == t.map) {
      p.at += kShapeFrom, p.size = kShapeSize, p.skipped = kShapeFrom;
    } else if (t.of(type) == kShape) {
      continue;
    }
    if (t.elsewhere.count(type)) complete_ = false;
    pieces_.push_back(p);
    if (type != t.arrayBuffer) continue;
    Local<ArrayBuffer> b = handle<ArrayBuffer>(&o);
    if (b->ByteLength()) buffers_.push_back({b->Data(), std::string(static_cast<char*>(b->Data()), b->ByteLength())});
  }
  std::sort(pieces_.begin(), pieces_.end(), [](const Piece& a, const Piece& b) { return a.at < b.at; });
  for (Piece& p : pieces_) {
    p.copy = uint32_t(copy_.size());
    copy_.append(reinterpret_cast<const char*>(p.at), p.size);
  }
  join();
  collections_ = owner->collections;
  scavenges_ = owner->scavenges;
}

// Has V8 do now what it else puts off until an object is first used, and which
// would look like a change.
void Imprint::settle(Local<Context> c) {
  Isolate* iso = owner_->iso;
  iso->LowMemoryNotification();  // what lives from here on stays where it is
  Walk walk(*types_);
  walk.from(iso, rootOf(c));
  Types& t = *types_;
  for (Address o : walk.found) {
    uint16_t type = typeOf(o);
    if (t.functions.count(type) && shapeBits(mapOf(o)) & kHasPrototype) {
      uint32_t w = word(o, kFunctionPrototype);
      uint16_t is = isObject(w) ? typeOf(expand(o, w)) : 0;
      t.of(is);
      if (is == t.hole && handle<Function>(&o)->ScriptId() != Message::kNoScriptIdInfo)
        ensureHasInitialMap(&o);
    }
    if (t.isReceiver(type)) makePrototypesFast(&o, 0, iso);
  }
}

Imprint::~Imprint() = default;

// Pieces that lie next to each other are compared at once.
void Imprint::join() {
  spans_.clear();
  for (const Piece& p : pieces_) {
    if (!spans_.empty()) {
      Span& last = spans_.back();
      if (last.at + last.size == p.at && last.copy + last.size == p.copy) {
        last.size += p.size;
        continue;
      }
    }
    spans_.push_back({p.at, p.size, p.copy});
  }
}

// A collection may have taken away memory of objects that were replaced, and
// the first one after the imprint moves what was still young. So the pieces
// are looked for before they are looked at.
bool Imprint::reachable(Local<Context> c) {
  bool settled = scavenges_ == UINT32_MAX;
  if (owner_->collections == collections_ && (settled || owner_->scavenges == scavenges_)) return true;
  Walk walk(*types_);
  walk.from(owner_->iso, rootOf(c));
  bool lost = false;
  for (Piece& p : pieces_) {
    if (walk.seen.count(p.at - p.skipped + 1)) continue;
    if (p.type != types_->map) return false;
    p.size = 0;  // no object has this shape any more
    lost = true;
  }
  if (lost) {
    std::erase_if(pieces_, [](const Piece& p) { return p.size == 0; });
    join();
  }
  collections_ = owner_->collections;
  if (owner_->scavenges != scavenges_) scavenges_ = UINT32_MAX;
  return true;
}

bool Imprint::intact(Local<Context> c) {
  if (!reachable(c)) return false;
  for (const Span& s : spans_)
    if (memcmp(reinterpret_cast<const char*>(s.at), copy_.data() + s.copy, s.size) && !same(s)) return false;
  for (const Buffer& b : buffers_)
    if (memcmp(b.at, b.copy.data(), b.copy.size())) return false;
  return true;
}

// Looks at a span that differs: whether what differs is V8's own business. It
// is then taken over into the copy.
bool Imprint::same(const Span& s) {
  for (uint32_t i = 0; i < s.size; i += 4) {
    uint32_t before, after;
    memcpy(&before, copy_.data() + s.copy + i, 4);
    memcpy(&after, reinterpret_cast<const char*>(s.at) + i, 4);
    if (before == after) continue;
    auto p = std::upper_bound(pieces_.begin(), pieces_.end(), s.at + i,
                              [](uintptr_t at, const Piece& p) { return at < p.at; }) - 1;
    if (!harmless(*p, uint32_t(s.at + i - p->at) + p->skipped, before, after)) return false;
    memcpy(&copy_[s.copy + i], &after, 4);
  }
  return true;
}

// Looks for a place among those of an object that refer to objects.
struct Finder : References {
  explicit Finder(uintptr_t a) : at(a) {}
  void slots(Address, uint32_t* from, uint32_t* to) override {
    if (at >= reinterpret_cast<uintptr_t>(from) && at < reinterpret_cast<uintptr_t>(to)) found = true;
  }
  void maybeWeakSlots(Address host, uint32_t* from, uint32_t* to) override { slots(host, from, to); }
  uintptr_t at;
  bool found = false;
};

bool Imprint::allHoles(uintptr_t array) const {
  for (uint32_t i = 0, n = word(array, kLength) >> 1; i < n; i++) {
    uint32_t w = word(array, kElements + 4 * int(i));
    if (!isObject(w)) return false;
    uint16_t type = typeOf(expand(array, w));
    if (types_->of(type) != kImmutable || type != types_->hole) return false;
  }
  return true;
}

// What V8 changes by itself and JavaScript cannot see. The object that was there
// before may be gone; the one that is there now is not.
bool Imprint::harmless(const Piece& p, uint32_t offset, uint32_t before, uint32_t after) {
  Types& t = *types_;
  if (p.type == t.matchInfo) return true;  // see forgetMatch
  uint16_t type = 0;
  if (isObject(after)) {
    Finder place(p.at - p.skipped + offset);
    visitObject(owner_->iso, p.at - p.skipped + 1, &place);
    if (!place.found) return false;  // a number that looks like an object
    type = typeOf(expand(p.at, after));
  }
  // A place that holds machinery is none that JavaScript could read or write.
  if (isObject(after) && t.of(type) == kMachinery) return true;
  if (t.functions.count(p.type)) {
    if (offset == kFunctionCode || offset == kFunctionFeedback) return true;
    // The shape of a class's instances is made with the first of them. It takes
    // the place of the prototype and holds it from then on.
    if (offset == kFunctionPrototype && type == t.map) {
      Address shape = expand(p.at, after);
      return word(shape, kShapeFrom) == before && !(shapeBits(shape) & kOddPrototype);
    }
  }
  if (p.type == t.nativeContext && isObject(after)) {
    if (type == t.matchInfo || type == t.ephemerons) return true;  // of tagged templates, found by their code
    // The arrays that are being joined, to notice cycles: none, between turns.
    if (type == t.fixedArray) return allHoles(expand(p.at, after));
  }
  // The number by which a table finds an object stands where it has no other
  // properties, or with their count.
  if (offset == kPropertiesOrHash && t.isReceiver(p.type) && !isObject(after) && isObject(before))
    return readOnly(expand(p.at, before));
  if (p.type == t.propertyArray && offset == kLengthAndHash)
    return before <= kLengthMask && (before & kLengthMask) == (after & kLengthMask);
  if (p.type == t.nameDictionary && offset == kDictionaryHash) return before == 0 && !isObject(after);
  return false;
}
}  // namespace lentil

using namespace lentil;

extern "C" size_t lentil_realm_imprint(lentil_realm* r) {
  Isolate* iso = r->owner->iso;
  Turn turn(r);
  Locker l(iso);
  Isolate::Scope s(iso);
  HandleScope hs(iso);
  setStackLimit(iso);
  std::unique_ptr<Imprint> made(new Imprint(r->owner, r->context.Get(iso)));
  if (!made->complete()) return 0;
  r->imprint = std::move(made);
  return r->imprint->bytes();
}

extern "C" void lentil_realm_forget(lentil_realm* r) { r->imprint.reset(); }

extern "C" int lentil_realm_intact(lentil_realm* r) {
  if (!r->imprint) return 0;
  Isolate* iso = r->owner->iso;
  Turn turn(r);
  Locker l(iso);
  Isolate::Scope s(iso);
  HandleScope hs(iso);
  iso->SetContinuationPreservedEmbedderData(Undefined(iso));
  r->promise.Reset();
  r->pending.clear();
  r->rejected.clear();
  r->sequence = 0;
  restoreNumbers(r->owner);
  // Describing an error can have run code of the program after the last job.
  if (waitingJobs(r->queue.get()) != 0) return 0;
  return r->imprint->intact(r->context.Get(iso));
}
