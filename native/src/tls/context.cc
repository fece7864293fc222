#include "context.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <cstring>
#include <utility>

#include "session.h"

namespace percore::tls {

namespace {

bool Fail(ContextFailure* failure, const char* step, int index, std::string reason) {
  *failure = {.step = step, .index = index, .reason = std::move(reason)};
  return false;
}

UniqueBio Reader(const std::string& text) {
  return UniqueBio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// True where the last PEM read failed only because there was nothing more to read.
bool AtEnd() {
  const unsigned long code = ERR_peek_last_error();
  return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

struct Passphrase {
  const CertificateSource* from;
  bool asked = false;
};

int OnPassphrase(char* buffer, int size, int, void* user) {
  auto* passphrase = static_cast<Passphrase*>(user);
  passphrase->asked = true;
  const std::string& text = passphrase->from->passphrase.text;
  if (!passphrase->from->has_passphrase || text.size() > static_cast<size_t>(size)) return -1;
  std::memcpy(buffer, text.data(), text.size());
  return static_cast<int>(text.size());
}

int AcceptAnything(int, X509_STORE_CTX*) {
  return 1;
}

int VerifyMode(Verify verify, bool server) {
  switch (verify) {
    case Verify::kNone: return SSL_VERIFY_NONE;
    case Verify::kRequest:
    case Verify::kOptional: return SSL_VERIFY_PEER;
    case Verify::kRequire: return server ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_PEER;
  }
  return SSL_VERIFY_NONE;
}

constexpr uint64_t kOptionsAlways = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

uint64_t OptionsOf(const ContextSource& source) {
  uint64_t options = kOptionsAlways;
  // ChaCha20 first for clients that put it first: they have no AES instructions.
  if (source.server_preference) options |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
  if (source.server && source.tickets == nullptr) options |= SSL_OP_NO_TICKET;
  return options;
}

// Seals and opens tickets (RFC 5077 §4): AES-256-CBC and HMAC-SHA-256 under a key of the ring.
int OnTicket(SSL* ssl, uint8_t* name, uint8_t* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seal) {
  const Context& context = Session::Of(ssl)->first_context();
  TicketRing& ring = *context.source().tickets;
  TicketKey key;
  int result = 1;
  if (seal != 0) {
    if (!ring.Seal(&key) || RAND_bytes(iv, EVP_CIPHER_get_iv_length(context.ticket_cipher())) != 1) return 0;
    std::memcpy(name, key.name.data(), key.name.size());
  } else {
    switch (ring.Find(name, &key)) {
      case TicketRing::Found::kNone: return 0;
      case TicketRing::Found::kOlder:
        result = 2;  // opens, and the client is given one under the newest key
        break;
      case TicketRing::Found::kNewest:
        // TLS 1.3 tickets are to be used once (RFC 8446 §C.4), so each resumption brings another.
        if (SSL_version(ssl) == TLS1_3_VERSION) result = 2;
        break;
    }
  }
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac.data(), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  const bool good = EVP_CipherInit_ex(cipher, context.ticket_cipher(), nullptr, key.cipher.data(), iv, seal) == 1 &&
                    EVP_MAC_CTX_set_params(mac, params) == 1;
  return good ? result : -1;
}

}  // namespace

std::shared_ptr<Context> Context::Make(ContextSource source, ContextFailure* failure) {
  const ErrorQueue queue;
  std::shared_ptr<Context> context(new Context(std::move(source)));
  if (!context->Build(failure)) return nullptr;
  // Parsed: the texts are not needed any more, and keys should not lie about.
  context->source_.certificates.clear();
  context->source_.authorities.clear();
  context->source_.crls.clear();
  return context;
}

bool Context::Build(ContextFailure* failure) {
  ctx_.reset(SSL_CTX_new(source_.server ? TLS_server_method() : TLS_client_method()));
  if (ctx_ == nullptr) return Fail(failure, "openssl", -1, ErrorQueue::Reason());
  SSL_CTX* ctx = ctx_.get();
  SSL_CTX_set_options(ctx, OptionsOf(source_));
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_dh_auto(ctx, 1);
  for (size_t at = 0; at < source_.certificates.size(); at++) {
    if (!AddCertificate(source_.certificates[at], static_cast<int>(at), failure)) return false;
  }
  if (!AddTrust(failure) || !SetAlgorithms(failure)) return false;
  const std::string& id = source_.session_id_context;
  if (SSL_CTX_set_session_id_context(ctx, reinterpret_cast<const uint8_t*>(id.data()),
                                     static_cast<unsigned>(id.size())) != 1) {
    return Fail(failure, "sessionIdContext", -1, "longer than 32 bytes");
  }
  SetCallbacks();
  return true;
}

bool Context::AddCertificate(CertificateSource& from, int index, ContextFailure* failure) {
  const UniqueBio chain_text = Reader(from.chain);
  UniqueX509 certificate(PEM_read_bio_X509_AUX(chain_text.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    return Fail(failure, "certificate", index, AtEnd() ? "no PEM certificate in it" : ErrorQueue::Reason());
  }
  const UniqueChain chain(sk_X509_new_null());
  for (;;) {
    UniqueX509 next(PEM_read_bio_X509(chain_text.get(), nullptr, nullptr, nullptr));
    if (next == nullptr) break;
    if (sk_X509_push(chain.get(), next.get()) > 0) (void)next.release();
  }
  if (!AtEnd()) return Fail(failure, "certificate", index, ErrorQueue::Reason());
  ErrorQueue::Clear();

  const UniqueBio key_text = Reader(from.key.text);
  Passphrase passphrase{.from = &from};
  const UniqueKey key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, OnPassphrase, &passphrase));
  if (key == nullptr) {
    if (passphrase.asked) {
      const char* reason =
          from.has_passphrase ? "the passphrase is wrong" : "the key is encrypted and no passphrase given";
      return Fail(failure, "passphrase", index, reason);
    }
    return Fail(failure, "key", index, ErrorQueue::Reason());
  }
  ErrorQueue::Clear();
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return Fail(failure, "mismatch", index, "the key does not belong to the certificate");
  }
  if (SSL_CTX_use_cert_and_key(ctx_.get(), certificate.get(), key.get(), chain.get(), 0) != 1) {
    const bool twice = ERR_GET_REASON(ERR_peek_error()) == SSL_R_NOT_REPLACING_CERTIFICATE;
    return Fail(failure, "certificate", index,
                twice ? "another certificate has a key of the same kind already" : ErrorQueue::Reason());
  }
  own_.push_back({.certificate = std::move(certificate), .ocsp = std::move(from.ocsp)});
  return true;
}

bool Context::AddTrust(ContextFailure* failure) {
  X509_STORE* store = SSL_CTX_get_cert_store(ctx_.get());
  int index = 0;
  for (const std::string& text : source_.authorities) {
    const UniqueBio reader = Reader(text);
    size_t count = 0;
    for (;; count++) {
      const UniqueX509 authority(PEM_read_bio_X509_AUX(reader.get(), nullptr, nullptr, nullptr));
      if (authority == nullptr) break;
      const bool added = X509_STORE_add_cert(store, authority.get()) == 1;
      if (!added || (source_.server && source_.verify != Verify::kNone &&
                     SSL_CTX_add_client_CA(ctx_.get(), authority.get()) != 1)) {
        return Fail(failure, "ca", index, ErrorQueue::Reason());
      }
    }
    if (!AtEnd()) return Fail(failure, "ca", index, ErrorQueue::Reason());
    if (count == 0) return Fail(failure, "ca", index, "no PEM certificate in it");
    ErrorQueue::Clear();
    index++;
  }
  index = 0;
  for (const std::string& text : source_.crls) {
    const UniqueBio reader = Reader(text);
    size_t count = 0;
    for (;; count++) {
      const UniqueCrl crl(PEM_read_bio_X509_CRL(reader.get(), nullptr, nullptr, nullptr));
      if (crl == nullptr) break;
      if (X509_STORE_add_crl(store, crl.get()) != 1) return Fail(failure, "crl", index, ErrorQueue::Reason());
    }
    if (!AtEnd()) return Fail(failure, "crl", index, ErrorQueue::Reason());
    if (count == 0) return Fail(failure, "crl", index, "no PEM revocation list in it");
    ErrorQueue::Clear();
    index++;
  }
  if (index > 0) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  SSL_CTX_set_verify(ctx_.get(), VerifyMode(source_.verify, source_.server),
                     source_.verify == Verify::kRequest ? AcceptAnything : nullptr);
  return true;
}

bool Context::SetAlgorithms(ContextFailure* failure) {
  SSL_CTX* ctx = ctx_.get();
  if (source_.version_min > source_.version_max)
    return Fail(failure, "versions", -1, "the lowest is above the highest");
  if (SSL_CTX_set_min_proto_version(ctx, source_.version_min) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, source_.version_max) != 1) {
    return Fail(failure, "versions", -1, ErrorQueue::Reason());
  }
  if (!source_.ciphers.empty() && SSL_CTX_set_cipher_list(ctx, source_.ciphers.c_str()) != 1) {
    return Fail(failure, "ciphers", -1, ErrorQueue::Reason());
  }
  if (!source_.ciphersuites.empty() && SSL_CTX_set_ciphersuites(ctx, source_.ciphersuites.c_str()) != 1) {
    return Fail(failure, "ciphersuites", -1, ErrorQueue::Reason());
  }
  return SetGroups(failure);
}

bool Context::SetGroups(ContextFailure* failure) {
  for (const bool with_wished : {true, false}) {
    std::string list;
    for (const std::string& group : source_.groups) {
      const bool wished = group.starts_with('?');
      if (wished && !with_wished) continue;
      if (!list.empty()) list += ':';
      list += wished ? group.substr(1) : group;
    }
    groups_ = list;
    if (list.empty() || SSL_CTX_set1_groups_list(ctx_.get(), list.c_str()) == 1) {
      ErrorQueue::Clear();
      return true;
    }
  }
  return Fail(failure, "groups", -1, "OpenSSL does not know all of them: " + groups_);
}

void Context::SetCallbacks() {
  SSL_CTX* ctx = ctx_.get();
  SSL_CTX_set_info_callback(ctx, Session::OnInfo);
  if (!source_.server) {
    // Sessions are JavaScript's to keep: OpenSSL's own cache takes a lock for each.
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, Session::OnNewSession);
    return;
  }
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_timeout(ctx, source_.ticket_lifetime_s);
  if (source_.tickets == nullptr) {
    SSL_CTX_set_num_tickets(ctx, 0);
  } else {
    ticket_cipher_.reset(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr));
    SSL_CTX_set_num_tickets(ctx, static_cast<size_t>(source_.ticket_count));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, OnTicket);
  }
  if (!source_.alpn.empty()) SSL_CTX_set_alpn_select_cb(ctx, OnAlpn, this);
  SSL_CTX_set_tlsext_status_cb(ctx, OnStatus);
  SSL_CTX_set_tlsext_status_arg(ctx, this);
  if (source_.client_hello) SSL_CTX_set_client_hello_cb(ctx, Session::OnClientHello, nullptr);
}

int Context::OnAlpn(SSL*, const uint8_t** out, uint8_t* out_size, const uint8_t* in, unsigned in_size, void* self) {
  const std::string& own = static_cast<const Context*>(self)->source_.alpn;
  // SSL_select_next_proto answers with the client's first when nothing matches; RFC 7301 §3.2 wants an alert then.
  uint8_t* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const uint8_t*>(own.data()),
                                           static_cast<unsigned>(own.size()), in, in_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int Context::OnStatus(SSL* ssl, void* self) {
  const X509* in_use = SSL_get_certificate(ssl);
  for (const Own& own : static_cast<const Context*>(self)->own_) {
    if (own.ocsp.empty() || in_use == nullptr || X509_cmp(own.certificate.get(), in_use) != 0) continue;
    auto* copy = static_cast<uint8_t*>(OPENSSL_memdup(own.ocsp.data(), own.ocsp.size()));
    if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(own.ocsp.size()));
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

// SSL_set_SSL_CTX changes certificates and callbacks only; what SSL_new copied from the first context stays unless set.
bool Context::Adopt(SSL* ssl, const Context& before) const {
  SSL_CTX* ctx = ctx_.get();
  if (SSL_set_SSL_CTX(ssl, ctx) != ctx) return false;
  SSL_clear_options(ssl, SSL_get_options(ssl) & ~SSL_CTX_get_options(ctx));
  SSL_set_options(ssl, SSL_CTX_get_options(ctx));
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), SSL_CTX_get_verify_callback(ctx));
  SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx));
  const ContextSource& old = before.source_;
  const std::string& id = source_.session_id_context;
  return X509_VERIFY_PARAM_set1(SSL_get0_param(ssl), SSL_CTX_get0_param(ctx)) == 1 &&
         SSL_set_min_proto_version(ssl, source_.version_min) == 1 &&
         SSL_set_max_proto_version(ssl, source_.version_max) == 1 &&
         SSL_set_session_id_context(ssl, reinterpret_cast<const uint8_t*>(id.data()),
                                    static_cast<unsigned>(id.size())) == 1 &&
         // Lists are parsed when set, so only where they differ.
         (source_.ciphers == old.ciphers || source_.ciphers.empty() ||
          SSL_set_cipher_list(ssl, source_.ciphers.c_str()) == 1) &&
         (source_.ciphersuites == old.ciphersuites || source_.ciphersuites.empty() ||
          SSL_set_ciphersuites(ssl, source_.ciphersuites.c_str()) == 1) &&
         (groups_ == before.groups_ || groups_.empty() || SSL_set1_groups_list(ssl, groups_.c_str()) == 1);
}

}  // namespace percore::tls
