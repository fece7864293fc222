// Owners of what OpenSSL gives us, and its error queue. Only public OpenSSL 3.0 API: the library is node's own.
#ifndef PERCORE_TLS_OPENSSL_H_
#define PERCORE_TLS_OPENSSL_H_

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace percore::tls {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};

using UniqueBio = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using UniqueCipher = std::unique_ptr<EVP_CIPHER, Freer<EVP_CIPHER_free>>;
using UniqueCrl = std::unique_ptr<X509_CRL, Freer<X509_CRL_free>>;
using UniqueKey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using UniqueSsl = std::unique_ptr<SSL, Freer<SSL_free>>;
using UniqueSslCtx = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using UniqueSslSession = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;
using UniqueX509 = std::unique_ptr<X509, Freer<X509_free>>;

struct ChainFreer {
  void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_pop_free(chain, X509_free); }
};
using UniqueChain = std::unique_ptr<STACK_OF(X509), ChainFreer>;

// Text that is wiped when it goes: keys and passphrases on their way from JavaScript to OpenSSL.
struct Secret {
  std::string text;
  Secret() = default;
  Secret(Secret&& other) noexcept : text(std::move(other.text)) { other.Wipe(); }
  Secret& operator=(Secret&& other) noexcept {
    std::swap(text, other.text);
    return *this;
  }
  ~Secret() { Wipe(); }
  void Wipe() noexcept { OPENSSL_cleanse(text.data(), text.capacity()); }
};

// The thread's error queue is shared with node:crypto and node:tls: it is empty before each of our calls and after it.
class ErrorQueue {
 public:
  ErrorQueue() { Clear(); }
  ~ErrorQueue() { Clear(); }
  ErrorQueue(const ErrorQueue&) = delete;
  ErrorQueue& operator=(const ErrorQueue&) = delete;

  static void Clear() {
    if (ERR_peek_error() != 0) ERR_clear_error();
  }
  // The first error of the queue is the nearest to the cause; later ones say who passed it on.
  static std::string Reason() {
    const unsigned long code = ERR_peek_error();
    if (code == 0) return "no reason given";
    const char* reason = ERR_reason_error_string(code);
    return reason != nullptr ? reason : "error " + std::to_string(code);
  }
};

}  // namespace percore::tls

#endif  // PERCORE_TLS_OPENSSL_H_
