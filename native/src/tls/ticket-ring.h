// Keys that seal session tickets, one ring for all threads of the process: the newest seals, older ones still open.
#ifndef PERCORE_TLS_TICKET_RING_H_
#define PERCORE_TLS_TICKET_RING_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace percore::tls {

struct TicketKey {
  using Clock = std::chrono::steady_clock;

  std::array<uint8_t, 16> name;
  std::array<uint8_t, 32> mac;
  std::array<uint8_t, 32> cipher;
  Clock::time_point created;

  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey();
};

// Bytes of a key that is given: name, MAC key, cipher key (the order of nginx's 80-byte ticket key files).
inline constexpr size_t kTicketKeyBytes = 80;

class TicketRing {
 public:
  enum class Found { kNone, kNewest, kOlder };

  // The ring of that name; made when nobody in the process holds one. The last holder's release wipes it.
  static std::shared_ptr<TicketRing> Open(const std::string& name);

  // Makes a key after `rotate`, and forgets one `keep` after it was replaced. Given keys are never replaced by it.
  void SetPolicy(std::chrono::seconds rotate, std::chrono::seconds keep);
  // Replaces all keys by `count` given ones; the first seals.
  void Give(const uint8_t* keys, size_t count);
  // Makes a new key that seals from now on; false when there is no randomness.
  bool Rotate();
  // Copies the key that seals; rotates first when it is time. False when there is none.
  bool Seal(TicketKey* key);
  Found Find(const uint8_t* name, TicketKey* key);
  size_t size();

 private:
  bool RotateLocked(TicketKey::Clock::time_point now);
  void Forget(TicketKey::Clock::time_point now);

  std::mutex mutex_;
  std::vector<TicketKey> keys_;  // newest first
  std::chrono::seconds rotate_{12 * 3600};
  std::chrono::seconds keep_{24 * 3600};
  bool given_ = false;
};

}  // namespace percore::tls

#endif  // PERCORE_TLS_TICKET_RING_H_
