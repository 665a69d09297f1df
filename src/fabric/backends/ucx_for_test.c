// What stands in for UCX in loading_test.cc: a library of its name that is too old (ROSS_OLD), or that lacks everything else.
void ucp_get_version(unsigned* major, unsigned* minor, unsigned* release);
const char* ucp_get_version_string(void);

#ifdef ROSS_OLD
enum { kMajor = 1, kMinor = 9 };
const char* ucp_get_version_string(void) { return "1.9.0"; }
#else
enum { kMajor = 1, kMinor = 99 };
const char* ucp_get_version_string(void) { return "1.99.0"; }
#endif

void ucp_get_version(unsigned* major, unsigned* minor, unsigned* release) {
  *major = kMajor;
  *minor = kMinor;
  *release = 0;
}
