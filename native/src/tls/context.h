// What sessions share: certificates, trust, versions, ciphers, protocols, tickets. An SSL_CTX of one thread.
#ifndef PERCORE_TLS_CONTEXT_H_
#define PERCORE_TLS_CONTEXT_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "openssl.h"
#include "ticket-ring.h"

namespace percore::tls {

// Why a context could not be made. `index` is the position in the list that `step` names, or -1.
struct ContextFailure {
  const char* step;
  int index;
  std::string reason;
};

enum class Verify {
  kNone,      // no certificate is asked for (server), or whatever comes is taken (client)
  kRequest,   // asked for; what is wrong with it is noted, and the handshake goes on
  kOptional,  // asked for; none is fine, a bad one is not
  kRequire,   // a good one or no connection
};

struct CertificateSource {
  std::string chain;  // PEM, own certificate first
  Secret key;         // PEM
  Secret passphrase;
  bool has_passphrase = false;
  std::string ocsp;  // DER, empty = none
};

struct ContextSource {
  bool server = true;
  std::vector<CertificateSource> certificates;
  std::vector<std::string> authorities;  // PEM, several certificates in one are fine
  std::vector<std::string> crls;         // PEM
  Verify verify = Verify::kNone;
  int version_min = TLS1_2_VERSION;
  int version_max = TLS1_3_VERSION;
  std::string ciphers;              // TLS 1.2; empty = OpenSSL's
  std::string ciphersuites;         // TLS 1.3; empty = OpenSSL's
  std::vector<std::string> groups;  // best first; one with "?" before it is left out where OpenSSL has it not
  std::string alpn;                 // wire format, best first; empty = none
  std::string session_id_context;
  std::shared_ptr<TicketRing> tickets;
  int ticket_count = 1;
  long ticket_lifetime_s = 7200;
  bool server_preference = true;
  bool client_hello = false;  // suspend at each ClientHello until a context is chosen
};

class Context {
 public:
  // Null with `failure` filled in.
  static std::shared_ptr<Context> Make(ContextSource source, ContextFailure* failure);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] SSL_CTX* get() const { return ctx_.get(); }
  [[nodiscard]] const ContextSource& source() const { return source_; }
  [[nodiscard]] const EVP_CIPHER* ticket_cipher() const { return ticket_cipher_.get(); }
  [[nodiscard]] size_t certificates() const { return own_.size(); }

  // The staple of the certificate at `index` from now on; empty = none.
  void SetOcsp(size_t index, std::string der) { own_[index].ocsp = std::move(der); }
  // Makes a session that was begun with another context go on with this one. False = OpenSSL refused.
  bool Adopt(SSL* ssl, const Context& before) const;

 private:
  struct Own {
    UniqueX509 certificate;
    std::string ocsp;
  };

  explicit Context(ContextSource source) : source_(std::move(source)) {}
  bool Build(ContextFailure* failure);
  bool AddCertificate(CertificateSource& from, int index, ContextFailure* failure);
  bool AddTrust(ContextFailure* failure);
  bool SetAlgorithms(ContextFailure* failure);
  bool SetGroups(ContextFailure* failure);
  void SetCallbacks();

  static int OnAlpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* in, unsigned in_size, void* self);
  static int OnStatus(SSL* ssl, void* self);

  ContextSource source_;
  std::string groups_;  // as OpenSSL took them
  UniqueSslCtx ctx_;
  UniqueCipher ticket_cipher_;
  std::vector<Own> own_;
};

}  // namespace percore::tls

#endif  // PERCORE_TLS_CONTEXT_H_
