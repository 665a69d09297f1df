// Which sanitizer this build runs under; GCC and Clang say so in different ways.
//
//   if (!kAddressSanitizer) reuse(frame);  // else let it see every frame's life
#pragma once

#if defined(__has_feature)
#define ROSS_HAS_FEATURE(name) __has_feature(name)
#else
#define ROSS_HAS_FEATURE(name) 0
#endif

namespace ross {

#if defined(__SANITIZE_ADDRESS__) || ROSS_HAS_FEATURE(address_sanitizer)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

#if defined(__SANITIZE_THREAD__) || ROSS_HAS_FEATURE(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif

}  // namespace ross
