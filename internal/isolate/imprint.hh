// The copy of a fresh context that tells whether it is still fresh.
#pragma once
#include <memory>

#include "engine.hh"

namespace lentil {
struct Types;

class Imprint {
 public:
  // Takes a copy of all that can be reached from a context. Collects garbage,
  // so that V8 leaves the objects where they are from now on.
  Imprint(lentil_isolate*, Local<Context>);
  ~Imprint();

  // Whether nothing has changed.
  bool intact(Local<Context>);
  // Whether it shows everything.
  bool complete() const { return complete_; }
  size_t bytes() const { return copy_.size(); }

 private:
  struct Piece {  // of the heap: an object, or the part of it that counts
    uintptr_t at;
    uint32_t size, copy;  // bytes, and where their copy begins
    uint16_t type;
    uint8_t skipped;  // bytes of the object before the piece
  };
  struct Span {  // pieces without a gap
    uintptr_t at;
    uint32_t size, copy;
  };
  struct Buffer {  // what an ArrayBuffer holds, outside of the heap
    const void* at;
    std::string copy;
  };
  void settle(Local<Context>);
  void join();
  bool reachable(Local<Context>);
  bool same(const Span&);
  bool allHoles(uintptr_t array) const;
  bool harmless(const Piece&, uint32_t offset, uint32_t before, uint32_t after);

  lentil_isolate* owner_;
  std::unique_ptr<Types> types_;
  std::vector<Piece> pieces_;
  std::vector<Span> spans_;
  std::vector<Buffer> buffers_;
  std::string copy_;
  bool complete_ = true;
  uint32_t collections_, scavenges_;
};
}  // namespace lentil
