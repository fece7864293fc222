// The BIO through which OpenSSL sees the arena: it reads what a call brought and writes where the call has room.
#ifndef PERCORE_TLS_BIO_H_
#define PERCORE_TLS_BIO_H_

#include "openssl.h"

namespace percore::tls {

class Session;

class SessionBio {
 public:
  // A BIO for `session`, which must outlive it. Null without memory.
  static BIO* Make(Session* session);

 private:
  static const BIO_METHOD* Method();
  static int Read(BIO* bio, char* to, int size);
  static int Write(BIO* bio, const char* from, int size);
  static long Control(BIO* bio, int command, long number, void* pointer);
};

}  // namespace percore::tls

#endif  // PERCORE_TLS_BIO_H_
