// What this folder has in common of OpenSSL: objects that free themselves, and its errors in words. Threading: any thread.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace ross::identity {

template <auto free>
struct FreedBy {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreedBy<X509_free>>;
using Bio = std::unique_ptr<BIO, FreedBy<BIO_free>>;

// A failure of OpenSSL's, which forgets it.
inline std::unexpected<Status> fail_openssl(std::string_view what) {
  char text[256] = "unknown error";
  if (const unsigned long error = ::ERR_get_error(); error != 0) ::ERR_error_string_n(error, text, sizeof text);
  ::ERR_clear_error();
  return fail(EINVAL, std::string(what) + ": " + text);
}

inline Bio bio_of(std::string_view text) { return Bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// The bytes that were written to a memory BIO.
inline std::string text_of(BIO& bio) {
  char* data = nullptr;
  const long size = ::BIO_get_mem_data(&bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace ross::identity
