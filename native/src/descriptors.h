// The descriptor table: one byte per descriptor number, written by JavaScript, carried out at teardown. Threads share
// descriptors with the process, so a dead worker's would stay open for ever without it.
#ifndef PERCORE_DESCRIPTORS_H_
#define PERCORE_DESCRIPTORS_H_

#include <cstdint>

#include "owned.h"

namespace percore {

class Descriptors {
 public:
  enum Value : uint8_t { kNone = 0, kStream = 1, kOther = 2 };

  // Maps a table for every number the process may ever get. 0 or -errno.
  [[nodiscard]] int Create();

  [[nodiscard]] uint8_t* data() const { return table_.get(); }
  [[nodiscard]] size_t size() const { return table_.size(); }

  // Enters an orphan: a descriptor in a completion that nobody will reap. What it is (socket or file) is asked of it.
  void Adopt(int fd);
  // Closes one now, as a queued CLOSE would have.
  void Close(int fd);
  // Resets streams, closes the rest, clears the table.
  void CloseAll();

 private:
  Mapping table_;
};

}  // namespace percore

#endif  // PERCORE_DESCRIPTORS_H_
