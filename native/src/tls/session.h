// One TLS connection: OpenSSL's state machine between ciphertext and plaintext that both lie in the arena.
#ifndef PERCORE_TLS_SESSION_H_
#define PERCORE_TLS_SESSION_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "context.h"
#include "control.h"
#include "openssl.h"

namespace percore::tls {

// Plaintext of one record at most: with any cipher's overhead it makes at most 16 KiB on the wire, so four fit a 64 KiB
// block.
inline constexpr size_t kRecordBytesMax = 16'288;
// Records of a new burst: what fits one packet, so that the peer can decrypt it when it arrives.
inline constexpr size_t kSmallRecordBytes = 1'344;
inline constexpr uint32_t kSmallRecordCount = 4;
// Records under one key. RFC 8446 §5.5: AES-GCM is safe for 2^24.5 full ones.
inline constexpr uint32_t kRecordsPerKey = 1u << 23;
// Room that each record needs beyond its plaintext, a pending KeyUpdate of ours included.
inline constexpr size_t kRecordOverheadMax = 160;

// Where a call's bytes are. All inside the arena, checked before.
struct Io {
  uint8_t* in = nullptr;
  size_t in_length = 0;
  size_t in_used = 0;
  uint8_t* out = nullptr;
  size_t out_length = 0;
  size_t out_used = 0;
  uint8_t* spill = nullptr;
  size_t spill_length = 0;
  size_t spill_used = 0;
  size_t plain_length = 0;  // in place, from `in`
};

struct Part {
  const uint8_t* data;
  size_t length;
};

struct ClientOptions {
  std::string server_name;  // SNI; empty = none
  std::string verify_name;  // host name or address that the certificate must have; empty = not looked at
  std::string alpn;         // wire format
  SSL_SESSION* resume = nullptr;
};

class Session {
 public:
  // Null when OpenSSL refuses an option (a name that is none).
  static std::unique_ptr<Session> Make(std::shared_ptr<Context> context, const ClientOptions& client);
  static Session* Of(const SSL* ssl) { return static_cast<Session*>(SSL_get_app_data(ssl)); }
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Takes ciphertext of io.in, as far as io.out and io.spill have room.
  void Read(Io* io);
  // Encrypts from `parts`; returns the bytes taken.
  size_t Write(Io* io, const Part* parts, size_t count, uint8_t* scratch);
  void Shutdown(Io* io);
  // Writes a KeyUpdate that asks the peer for new keys too (RFC 8446 §4.6.3). TLS 1.3 only; else nothing.
  void UpdateKeys(Io* io);
  void BeginBurst() { small_left_ = kSmallRecordCount; }
  // Answers a suspended ClientHello: with a context, or null to refuse by `alert`. The next Read goes on.
  void Choose(std::shared_ptr<Context> context, int alert);

  [[nodiscard]] uint32_t flags() const { return flags_; }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  [[nodiscard]] const Context& first_context() const { return *first_; }
  [[nodiscard]] int alert_sent() const { return alert_sent_; }
  [[nodiscard]] int alert_received() const { return alert_received_; }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] const std::string& server_name() const { return server_name_; }
  // Bytes of the record that has arrived in part: 0 = none, -1 = not even its length is known.
  [[nodiscard]] int partial() const;
  // Position of the agreed protocol in our own list, or -1.
  [[nodiscard]] int alpn() const;
  // The newest session that the server has sent, or null.
  [[nodiscard]] UniqueSslSession TakeSession();

  static void OnInfo(const SSL* ssl, int where, int value);
  static int OnNewSession(SSL* ssl, SSL_SESSION* session);
  static int OnClientHello(SSL* ssl, int* alert, void*);

 private:
  friend class SessionBio;

  explicit Session(std::shared_ptr<Context> context) : first_(context), context_(std::move(context)) {}
  bool Prepare(const ClientOptions& client);
  bool Handshake(Io* io);
  bool ReadRecord(Io* io);
  enum class Step { kGo, kDone, kNeedsSpill };
  Step Place(Io* io, uint8_t** to, size_t* size, bool* spilled);
  [[nodiscard]] size_t MissingOfRecord(const Io& io) const;
  void Stop(int result, Io* io);
  void Fail(std::string why);
  void CountRecord(bool brought_data);
  [[nodiscard]] bool midway() const { return header_have_ > 0 || record_left_ > 0; }
  void Follow(const uint8_t* bytes, size_t size);

  std::shared_ptr<Context> first_;
  std::shared_ptr<Context> context_;
  UniqueSsl ssl_;
  Io* io_ = nullptr;  // of the call under way
  uint32_t flags_ = 0;
  uint32_t small_left_ = kSmallRecordCount;
  size_t record_bytes_max_ = kRecordBytesMax;
  // Framing of what OpenSSL has taken: where it is in the record layer.
  std::array<uint8_t, 5> header_{};
  uint8_t header_have_ = 0;
  uint32_t record_left_ = 0;
  uint32_t record_length_ = 0;
  uint32_t records_ = 0;
  uint32_t records_seen_ = 0;
  int idle_records_ = 0;
  uint32_t written_ = 0;  // records under the present key
  int alert_sent_ = -1;
  int alert_received_ = -1;
  int choice_alert_ = -1;
  bool chosen_ = false;
  bool writing_ = false;  // OpenSSL has something to write before it reads on
  uint8_t nowhere_ = 0;
  std::string alpn_;  // a client's own list
  std::string server_name_;
  std::string failure_;
  std::vector<UniqueSslSession> sessions_;
};

}  // namespace percore::tls

#endif  // PERCORE_TLS_SESSION_H_
