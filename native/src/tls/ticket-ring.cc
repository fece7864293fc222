#include "ticket-ring.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace percore::tls {

namespace {

// The one thing here that the threads of a process share, so that a ticket sealed by one opens on all.
struct Rings {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<TicketRing>> by_name;
};

Rings& AllRings() {
  // Never destroyed: threads may still run while the process exits.
  static auto* rings = new Rings();
  return *rings;
}

}  // namespace

TicketKey::~TicketKey() {
  OPENSSL_cleanse(mac.data(), mac.size());
  OPENSSL_cleanse(cipher.data(), cipher.size());
}

std::shared_ptr<TicketRing> TicketRing::Open(const std::string& name) {
  Rings& rings = AllRings();
  const std::lock_guard lock(rings.mutex);
  std::erase_if(rings.by_name, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<TicketRing> ring = rings.by_name[name].lock();
  if (ring == nullptr) {
    ring = std::make_shared<TicketRing>();
    rings.by_name[name] = ring;
  }
  return ring;
}

void TicketRing::SetPolicy(std::chrono::seconds rotate, std::chrono::seconds keep) {
  const std::lock_guard lock(mutex_);
  rotate_ = rotate;
  keep_ = keep;
}

void TicketRing::Give(const uint8_t* keys, size_t count) {
  const std::lock_guard lock(mutex_);
  const auto now = TicketKey::Clock::now();
  keys_.clear();
  // Enough for all at once: a vector that grows would leave copies of keys behind.
  keys_.reserve(count);
  for (size_t at = 0; at < count; at++) {
    TicketKey& key = keys_.emplace_back();
    const uint8_t* bytes = keys + at * kTicketKeyBytes;
    std::memcpy(key.name.data(), bytes, key.name.size());
    std::memcpy(key.mac.data(), bytes + 16, key.mac.size());
    std::memcpy(key.cipher.data(), bytes + 48, key.cipher.size());
    key.created = now;
  }
  given_ = true;
}

bool TicketRing::Rotate() {
  const std::lock_guard lock(mutex_);
  given_ = false;
  return RotateLocked(TicketKey::Clock::now());
}

bool TicketRing::Seal(TicketKey* key) {
  const std::lock_guard lock(mutex_);
  const auto now = TicketKey::Clock::now();
  if (!given_ && (keys_.empty() || now - keys_.front().created >= rotate_) && !RotateLocked(now)) return false;
  if (keys_.empty()) return false;
  *key = keys_.front();
  return true;
}

TicketRing::Found TicketRing::Find(const uint8_t* name, TicketKey* key) {
  const std::lock_guard lock(mutex_);
  if (!given_) Forget(TicketKey::Clock::now());
  for (const TicketKey& candidate : keys_) {
    if (std::memcmp(candidate.name.data(), name, candidate.name.size()) != 0) continue;
    *key = candidate;
    return &candidate == &keys_.front() ? Found::kNewest : Found::kOlder;
  }
  return Found::kNone;
}

size_t TicketRing::size() {
  const std::lock_guard lock(mutex_);
  return keys_.size();
}

bool TicketRing::RotateLocked(TicketKey::Clock::time_point now) {
  TicketKey key;
  if (RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) != 1 ||
      RAND_priv_bytes(key.mac.data(), static_cast<int>(key.mac.size())) != 1 ||
      RAND_priv_bytes(key.cipher.data(), static_cast<int>(key.cipher.size())) != 1) {
    return false;
  }
  key.created = now;
  Forget(now);
  std::vector<TicketKey> keys;
  keys.reserve(keys_.size() + 1);
  keys.push_back(key);
  keys.insert(keys.end(), keys_.begin(), keys_.end());
  keys_.swap(keys);
  return true;
}

// A key was replaced when the one before it in the list was made.
void TicketRing::Forget(TicketKey::Clock::time_point now) {
  for (size_t at = 1; at < keys_.size(); at++) {
    if (now - keys_[at - 1].created < keep_) continue;
    keys_.resize(at);
    return;
  }
}

}  // namespace percore::tls
