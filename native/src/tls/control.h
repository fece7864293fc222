// The words that JavaScript and a session speak through: an Int32Array that both sides read and write.
#ifndef PERCORE_TLS_CONTROL_H_
#define PERCORE_TLS_CONTROL_H_

#include <cstddef>
#include <cstdint>

namespace percore::tls {

// Offsets and lengths are bytes in the arena. index.d.ts has the meaning of each.
enum Word : size_t {
  // asked
  kHandle = 0,
  kActions,
  kInOffset,
  kInLength,
  kSpillOffset,
  kSpillLength,
  kOutOffset,
  kOutLength,
  kPartCount,
  // answered
  kInUsed = 16,
  kPlainLength,
  kSpillUsed,
  kOutUsed,
  kTaken,
  kPartial,
  kAlpn,
  kAlertSent,
  kAlertReceived,
  // ranges to encrypt: offset, length, …
  kParts = 32,
};

inline constexpr size_t kPartsMax = 64;
inline constexpr size_t kWords = kParts + 2 * kPartsMax;

enum Action : uint32_t {
  kRead = 1,          // take ciphertext in; the handshake goes on with it
  kWrite = 2,         // encrypt the parts
  kShutdown = 4,      // write close_notify
  kSmallRecords = 8,  // a new burst begins: its first records are small
  kUpdateKeys = 16,   // TLS 1.3: new keys both ways from the next record on
};

enum Flag : uint32_t {
  kEstablished = 1,
  kPeerClosed = 2,
  kNeedsRoom = 4,
  kNeedsSpill = 8,
  kAwaitsContext = 16,
  kHasSessions = 32,
  kFailed = 64,
};

}  // namespace percore::tls

#endif  // PERCORE_TLS_CONTROL_H_
