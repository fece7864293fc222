#include "session.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "bio.h"

namespace percore::tls {

namespace {

constexpr size_t kHeaderBytes = 5;
// Records in a row that bring no data: KeyUpdates, tickets, warnings. A peer that sends only such costs us work for
// nothing.
constexpr int kIdleRecordsMax = 64;
// Sessions that a server sends and nobody has taken.
constexpr size_t kSessionsMax = 4;
constexpr size_t kServerNameMax = 255;

}  // namespace

std::unique_ptr<Session> Session::Make(std::shared_ptr<Context> context, const ClientOptions& client) {
  const ErrorQueue queue;
  std::unique_ptr<Session> session(new Session(std::move(context)));
  return session->Prepare(client) ? std::move(session) : nullptr;
}

bool Session::Prepare(const ClientOptions& client) {
  ssl_.reset(SSL_new(context_->get()));
  if (ssl_ == nullptr) return false;
  SSL* ssl = ssl_.get();
  SSL_set_app_data(ssl, this);
  BIO* bio = SessionBio::Make(this);
  if (bio == nullptr) return false;
  SSL_set_bio(ssl, bio, bio);
  if (context_->source().server) {
    SSL_set_accept_state(ssl);
    return true;
  }
  SSL_set_connect_state(ssl);
  if (!client.server_name.empty() && SSL_set_tlsext_host_name(ssl, client.server_name.c_str()) != 1) return false;
  if (!client.verify_name.empty()) {
    X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, client.verify_name.c_str()) != 1 &&
        X509_VERIFY_PARAM_set1_host(param, client.verify_name.data(), client.verify_name.size()) != 1) {
      return false;
    }
  }
  alpn_ = client.alpn;
  // 0 is success here.
  if (!alpn_.empty() && SSL_set_alpn_protos(ssl, reinterpret_cast<const uint8_t*>(alpn_.data()),
                                            static_cast<unsigned>(alpn_.size())) != 0) {
    return false;
  }
  return client.resume == nullptr || SSL_set_session(ssl, client.resume) == 1;
}

Session::~Session() {
  const ErrorQueue queue;
  ssl_.reset();
}

void Session::Read(Io* io) {
  if ((flags_ & (kFailed | kPeerClosed)) != 0) {
    io->in_used = io->in_length;
    return;
  }
  const ErrorQueue queue;
  io_ = io;
  flags_ &= ~static_cast<uint32_t>(kNeedsRoom | kNeedsSpill | kAwaitsContext);
  if ((flags_ & kEstablished) != 0 || Handshake(io)) {
    while (ReadRecord(io)) {
    }
  }
  io_ = nullptr;
}

bool Session::Handshake(Io* io) {
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    Stop(result, io);
    return false;
  }
  flags_ |= kEstablished;
  chosen_ = false;
  records_seen_ = records_;
  const uint8_t fragment = SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl_.get()));
  if (fragment != TLSEXT_max_fragment_length_DISABLED && fragment < 8) {
    record_bytes_max_ = size_t{256} << fragment;
  }
  return true;
}

// One call of SSL_read. False when there is nothing more to do now.
bool Session::ReadRecord(Io* io) {
  uint8_t* to = nullptr;
  size_t size = 0;
  bool spilled = false;
  switch (Place(io, &to, &size, &spilled)) {
    case Step::kDone: return false;
    case Step::kNeedsSpill: flags_ |= kNeedsSpill; return false;
    case Step::kGo: break;
  }
  size_t got = 0;
  const int result = SSL_read_ex(ssl_.get(), to, size, &got);
  if (result == 1) {
    (spilled ? io->spill_used : io->plain_length) += got;
    CountRecord(true);
    return (flags_ & kFailed) == 0;
  }
  CountRecord(false);
  if ((flags_ & kFailed) == 0) Stop(result, io);
  return false;
}

// Where the next plaintext may go. OpenSSL copies a record out of the input before it writes plaintext, and plaintext
// is shorter: so a record that lies whole in this input is decrypted over itself, as is the end of one whose plaintext
// is no longer than that end. The plaintext of any other that began in an earlier input goes to the spill, before the
// rest.
Session::Step Session::Place(Io* io, uint8_t** to, size_t* size, bool* spilled) {
  const size_t left = io->in_length - io->in_used;
  const bool pending = SSL_pending(ssl_.get()) > 0;
  const size_t spill_room = io->plain_length == 0 ? io->spill_length - io->spill_used : 0;
  *to = io->in + io->plain_length;
  *size = io->in_used - io->plain_length;
  if (pending) {
    *spilled = spill_room > 0 && (io->spill_used > 0 || *size == 0);
  } else if (left == 0 && !writing_) {
    return Step::kDone;
  } else {
    const size_t missing = MissingOfRecord(*io);
    if (missing > left) {
      // It stays incomplete: OpenSSL takes what there is and brings nothing.
      *to = &nowhere_;
      *size = 1;
      return Step::kGo;
    }
    *size += missing;
    *spilled = record_left_ > 0 && record_length_ > *size;
    if (*spilled && spill_room == 0) return Step::kNeedsSpill;
  }
  if (*spilled) {
    *to = io->spill + io->spill_used;
    *size = spill_room;
  }
  return *size > 0 ? Step::kGo : Step::kNeedsSpill;
}

// Bytes of the input that complete the record which begins or goes on at its front; SIZE_MAX when that is not known
// yet.
size_t Session::MissingOfRecord(const Io& io) const {
  if (record_left_ > 0) return record_left_;
  const uint8_t* front = io.in + io.in_used;
  const size_t left = io.in_length - io.in_used;
  const size_t header_left = kHeaderBytes - header_have_;
  if (left < header_left) return SIZE_MAX;
  const auto at = [&](size_t index) -> size_t {
    return index < header_have_ ? header_[index] : front[index - header_have_];
  };
  return header_left + (at(3) << 8 | at(4));
}

// The same bytes that OpenSSL reads, for their framing alone.
void Session::Follow(const uint8_t* bytes, size_t size) {
  while (size > 0) {
    if (record_left_ > 0) {
      const size_t part = std::min(size, size_t{record_left_});
      record_left_ -= static_cast<uint32_t>(part);
      bytes += part;
      size -= part;
      if (record_left_ == 0) records_++;
      continue;
    }
    header_[header_have_++] = *bytes++;
    size--;
    if (header_have_ < kHeaderBytes) continue;
    header_have_ = 0;
    record_length_ = static_cast<uint32_t>(header_[3]) << 8 | header_[4];
    record_left_ = record_length_;
    if (record_left_ == 0) records_++;
  }
}

int Session::partial() const {
  if (header_have_ > 0) return -1;
  return record_left_ > 0 ? static_cast<int>(record_length_) : 0;
}

void Session::CountRecord(bool brought_data) {
  const uint32_t came = records_ - records_seen_;
  records_seen_ = records_;
  idle_records_ = std::max(0, idle_records_ + static_cast<int>(came) - (brought_data ? 2 : 0));
  if (idle_records_ > kIdleRecordsMax) Fail("the peer sends control records and no data");
}

void Session::Stop(int result, Io* io) {
  writing_ = false;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: break;
    case SSL_ERROR_WANT_WRITE:
      writing_ = true;
      flags_ |= kNeedsRoom;
      break;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB: flags_ |= kAwaitsContext; break;
    case SSL_ERROR_ZERO_RETURN:
      flags_ |= kPeerClosed;
      io->in_used = io->in_length;
      break;
    default: Fail(ErrorQueue::Reason());
  }
}

void Session::Fail(std::string why) {
  flags_ |= kFailed;
  failure_ = std::move(why);
}

size_t Session::Write(Io* io, const Part* parts, size_t count, uint8_t* scratch) {
  if ((flags_ & (kEstablished | kFailed)) != kEstablished) return 0;
  const ErrorQueue queue;
  io_ = io;
  size_t total = 0;
  for (size_t at = 0; at < count; at++) total += parts[at].length;
  size_t taken = 0;
  size_t part = 0;
  size_t from = 0;  // within the part
  while (taken < total) {
    const size_t wanted = std::min({total - taken, record_bytes_max_, small_left_ > 0 ? kSmallRecordBytes : SIZE_MAX});
    const size_t room = io->out_length - io->out_used;
    const size_t size = room > kRecordOverheadMax ? std::min(wanted, room - kRecordOverheadMax) : 0;
    // A full record in the next block is better than a small one here.
    if (size == 0 || (size < wanted && io->out_used > 0)) break;
    const uint8_t* data = parts[part].data + from;
    size_t gathered = std::min(size, parts[part].length - from);
    from += gathered;
    if (gathered < size) {
      std::memcpy(scratch, data, gathered);
      data = scratch;
      while (gathered < size) {
        from = std::min(size - gathered, parts[++part].length);
        std::memcpy(scratch + gathered, parts[part].data, from);
        gathered += from;
      }
    }
    if (from == parts[part].length) {
      part++;
      from = 0;
    }
    size_t written = 0;
    // There is room, and the record is no larger than one: it is written whole or not at all.
    if (SSL_write_ex(ssl_.get(), data, size, &written) != 1 || written != size) {
      Fail(ErrorQueue::Reason());
      break;
    }
    taken += size;
    if (++written_ == kRecordsPerKey && SSL_version(ssl_.get()) == TLS1_3_VERSION) {
      written_ = 0;
      SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);  // goes out before the next record
    }
    if (small_left_ > 0) small_left_--;
  }
  io_ = nullptr;
  return taken;
}

void Session::Shutdown(Io* io) {
  if ((flags_ & (kEstablished | kFailed)) != kEstablished || io->out_length - io->out_used < kRecordOverheadMax) return;
  const ErrorQueue queue;
  io_ = io;
  SSL_shutdown(ssl_.get());
  io_ = nullptr;
}

void Session::UpdateKeys(Io* io) {
  if ((flags_ & (kEstablished | kFailed)) != kEstablished || SSL_version(ssl_.get()) != TLS1_3_VERSION) return;
  if (io->out_length - io->out_used < kRecordOverheadMax) return;
  const ErrorQueue queue;
  io_ = io;
  written_ = 0;
  SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
  SSL_do_handshake(ssl_.get());
  io_ = nullptr;
}

void Session::Choose(std::shared_ptr<Context> context, int alert) {
  chosen_ = true;
  choice_alert_ = context == nullptr ? alert : -1;
  if (context != nullptr) context_ = std::move(context);
}

int Session::alpn() const {
  const uint8_t* agreed = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &agreed, &size);
  if (size == 0) return -1;
  const std::string& own = context_->source().server ? context_->source().alpn : alpn_;
  int index = 0;
  for (size_t at = 0; at < own.size(); at += 1 + static_cast<uint8_t>(own[at]), index++) {
    if (static_cast<uint8_t>(own[at]) == size && std::memcmp(&own[at + 1], agreed, size) == 0) return index;
  }
  return -1;
}

UniqueSslSession Session::TakeSession() {
  if (sessions_.empty()) return nullptr;
  UniqueSslSession newest = std::move(sessions_.back());
  sessions_.pop_back();
  if (sessions_.empty()) flags_ &= ~static_cast<uint32_t>(kHasSessions);
  return newest;
}

void Session::OnInfo(const SSL* ssl, int where, int value) {
  if ((where & SSL_CB_ALERT) == 0) return;
  Session* session = Of(ssl);
  ((where & SSL_CB_READ) != 0 ? session->alert_received_ : session->alert_sent_) = value & 0xff;
}

int Session::OnNewSession(SSL* ssl, SSL_SESSION* given) {
  Session* session = Of(ssl);
  if (session->sessions_.size() == kSessionsMax) session->sessions_.erase(session->sessions_.begin());
  session->sessions_.emplace_back(given);
  session->flags_ |= kHasSessions;
  return 1;  // ours now
}

int Session::OnClientHello(SSL* ssl, int* alert, void*) {
  Session* session = Of(ssl);
  if (session->chosen_) {
    if (session->choice_alert_ >= 0) {
      *alert = session->choice_alert_;
      return SSL_CLIENT_HELLO_ERROR;
    }
    const bool adopted = session->context_ == session->first_ || session->context_->Adopt(ssl, *session->first_);
    if (adopted) return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
  // RFC 6066 §3: a list (length u16) of names (type u8, length u16); only one of type 0 may be in it, so it is the
  // first.
  const uint8_t* list = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &list, &size) == 1 && size > 5 && list[2] == 0) {
    const size_t length = size_t{list[3]} << 8 | list[4];
    const auto* name = reinterpret_cast<const char*>(list + 5);
    if (length <= size - 5 && length <= kServerNameMax && std::memchr(name, 0, length) == nullptr) {
      session->server_name_.assign(name, length);
    }
  }
  return SSL_CLIENT_HELLO_RETRY;
}

}  // namespace percore::tls
