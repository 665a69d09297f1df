#include "identity/pki/certificate.h"

#include <ctime>

#include "identity/pki/openssl.h"

namespace ross::identity {
namespace {

std::int64_t seconds_of(const ASN1_TIME* time) {
  struct tm broken {};
  return ::ASN1_TIME_to_tm(time, &broken) == 1 ? ::timegm(&broken) : 0;
}

std::string serial_of(const X509& certificate) {
  const std::unique_ptr<BIGNUM, FreedBy<BN_free>> number(
      ::ASN1_INTEGER_to_BN(::X509_get0_serialNumber(&certificate), nullptr));
  if (number == nullptr) return {};
  char* const digits = ::BN_bn2hex(number.get());
  std::string text = digits == nullptr ? "" : digits;
  ::OPENSSL_free(digits);
  return text;
}

}  // namespace

Result<CertificateFacts> read_certificate(std::string_view pem) {
  const Bio bio = bio_of(pem);
  const Certificate certificate(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return fail_openssl("this is no certificate in PEM form");
  CertificateFacts facts;
  facts.credential.kind = Credential::Kind::kCertificate;
  facts.credential.id = serial_of(*certificate);
  facts.credential.issued_s = seconds_of(::X509_get0_notBefore(certificate.get()));
  facts.credential.expires_s = seconds_of(::X509_get0_notAfter(certificate.get()));
  const std::unique_ptr<GENERAL_NAMES, FreedBy<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
    const std::string_view text(reinterpret_cast<const char*>(::ASN1_STRING_get0_data(uri)),
                                static_cast<std::size_t>(::ASN1_STRING_length(uri)));
    if (!text.starts_with(kTenantUri)) continue;
    if (!facts.tenant.empty()) return fail(EINVAL, "the certificate names two tenants");
    facts.tenant = text.substr(kTenantUri.size());
    if (!is_tenant_name(facts.tenant)) return fail(EINVAL, "the certificate names no tenant that can be");
  }
  return facts;
}

}  // namespace ross::identity
