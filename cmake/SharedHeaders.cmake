# What most of our files include is compiled once for all of them (precompiled headers), which halves the time of a build. It
# changes nothing else: every file includes what it needs, and the preset dev, which does without, finds one that does not.
#
# A compiler takes a precompiled header only where options are the same and its macros are set: everything is compiled with
# -fPIC, and who does not use fmt has headers of its own. ccache must be told to trust it (CMakePresets.json), and finds it again only if
# it does not say when its files were written.
set(ROSS_SHARED_HEADERS
  <algorithm> <array> <atomic> <bit> <chrono> <condition_variable> <coroutine> <cstdint> <cstring> <deque> <filesystem>
  <fstream> <functional> <map> <memory> <mutex> <optional> <ranges> <set> <span> <string> <string_view> <thread>
  <unordered_map> <utility> <vector> <fmt/format.h> <absl/container/flat_hash_map.h> <absl/container/inlined_vector.h>)

# Makes the target NAME, whose precompiled headers others take.
function(ross_precompile name)
  cmake_parse_arguments(ARG "" "" "HEADERS;OPTIONS;DEPENDS" ${ARGN})
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/shared_headers.cc)
  target_compile_options(${name} PRIVATE ${ARG_OPTIONS} $<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>)
  target_link_libraries(${name} PRIVATE ross_flags fmt::fmt absl::flat_hash_map absl::inlined_vector ${ARG_DEPENDS})
  list(TRANSFORM ARG_HEADERS REPLACE "(.+)" "$<$<COMPILE_LANGUAGE:CXX>:\\1>")
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()

# ross_quick_headers(NAME): a target of quick code (RossTargets.cmake).
function(ross_quick_headers name)
  get_target_property(sources ${name} SOURCES)
  if(sources MATCHES "[.]c(;|$)")
    ross_own_headers(${name})
  else()
    target_precompile_headers(${name} REUSE_FROM ross_quick_headers)
  endif()
endfunction()

# ross_own_headers(NAME): a target that can't take them, because its options or macros are others.
function(ross_own_headers name)
  set_target_properties(${name} PROPERTIES ROSS_OWN_HEADERS TRUE)
endfunction()

# Every target of a folder, and of those below it, takes the shared headers; those with sources in C do without.
function(ross_share_headers folder)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    get_target_property(sources ${target} SOURCES)
    get_target_property(own ${target} ROSS_OWN_HEADERS)
    get_target_property(headers ${target} PRECOMPILE_HEADERS)
    get_target_property(reuses ${target} PRECOMPILE_HEADERS_REUSE_FROM)
    if(type MATCHES "^(EXECUTABLE|(STATIC|SHARED|OBJECT)_LIBRARY)$" AND NOT sources MATCHES "[.]c(;|$)" AND
       NOT own AND NOT headers AND NOT reuses)
      target_precompile_headers(${target} REUSE_FROM ross_headers)
    endif()
  endforeach()
  get_property(folders DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(below IN LISTS folders)
    ross_share_headers(${below})
  endforeach()
endfunction()
